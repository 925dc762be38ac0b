-- From facts to figures: windows, breakdowns, top N, and the catalogue.
--
-- Result: figures(place, kpi, suffix, labels, numerator, denominator, precision). A place says the
-- pipeline, the window (or 'now') and, for a breakdown, the dimension and its value; a figure's
-- value is numerator / denominator, both integers.

-- ------------------------------------------------------------- placed: what counts in a window

-- The pane of t and the length/pane - 1 panes before it.
CREATE TABLE spans AS
SELECT "window", length, pane, getvariable('as_of_us') // pane * pane AS last_pane, last_pane - length + pane AS begins
FROM windows;
SET VARIABLE longest = (SELECT "window" FROM windows ORDER BY length DESC LIMIT 1);

-- A spend is cut by panes, and each share is converted at the day of its pane. It has a subject of
-- its own beside the deals: a negative number.
CREATE MACRO spent_until(x, amount, starts, ends) AS
    amount * (least(greatest(x, starts), ends) - starts)::HUGEINT // (ends - starts);

CREATE TABLE spend_subjects AS SELECT -row_number() OVER ()::INT AS subject, * FROM spends;
CREATE TABLE shares AS
WITH panes AS (
    SELECT "window", pane, unnest(generate_series(begins, last_pane, pane)) AS begins FROM spans
), cut AS (
    SELECT subject, "window", begins AS at_us, currency, CASE
        WHEN period_start IS NULL THEN amount
        ELSE spent_until(begins + pane, amount, period_start, period_end) - spent_until(begins, amount, period_start, period_end)
        END AS minor
    FROM spend_subjects JOIN panes ON CASE WHEN period_start IS NULL THEN at_us >= begins AND at_us < begins + pane
        ELSE period_start < begins + pane AND period_end > begins END
)
SELECT subject, "window", coalesce(exchanged(minor, top, bottom), minor) AS minor,
    if(exchanged(minor, top, bottom) IS NULL, cut.currency, getvariable('base_currency')) AS currency
FROM cut LEFT JOIN rate_spans r ON r.currency = cut.currency AND at_us >= from_us AND at_us < until_us;

CREATE TABLE cells AS
SELECT row_number() OVER ()::INT AS id, * FROM (
    SELECT DISTINCT cell, label, currency FROM facts UNION SELECT DISTINCT 'spend', '', currency FROM shares
);

CREATE TABLE placed AS
SELECT deal AS subject, "window", cells.id AS cell, weight
FROM facts JOIN cells USING (cell, label, currency)
    JOIN (SELECT "window", length, pane, last_pane, begins FROM spans UNION ALL SELECT 'now', 0, 1, 0, 0) s ON CASE timing
        WHEN 'now' THEN "window" = 'now'
        WHEN 'event' THEN length > 0 AND at_us BETWEEN begins AND getvariable('as_of_us')
        ELSE length >= 86400000000 AND (at_us + pane - 1) // pane * pane BETWEEN begins AND last_pane END
UNION ALL
SELECT subject, "window", cells.id, minor FROM shares JOIN cells USING (currency) WHERE cell = 'spend';

-- ----------------------------------------------------------------------------- breakdowns

CREATE TABLE subjects AS
SELECT deal AS subject, pipeline FROM attributes UNION ALL SELECT subject, pipeline FROM spend_subjects;

-- An alias and what it stands for are found by what they look alike; other texts mean themselves.
CREATE TABLE spellings AS
SELECT attribute, alike(attribute, alias) AS text, tidy(value) AS value FROM value_aliases
UNION SELECT attribute, alike(attribute, value), tidy(value) FROM value_aliases;

-- The parts of a combination are joined; one with nothing in it is as missing as a single one.
CREATE TABLE named AS
WITH written AS (
    SELECT deal AS subject, attribute, alike(attribute, v) AS text
    FROM attributes UNPIVOT INCLUDE NULLS (v FOR attribute IN (channel, source, contact_trigger,
        product, industry, segment, owner, closing_document))
    UNION ALL SELECT subject, 'channel', alike('channel', channel) FROM spend_subjects
), read AS (
    SELECT subject, attribute, label_of(coalesce(value, nullif(text, ''))) AS part
    FROM written LEFT JOIN spellings USING (attribute, text)
), parts AS (
    FROM read WHERE subject > 0
)
SELECT subject, dimension, CASE WHEN count(part) = 0 THEN '__none__'
    ELSE label_of(string_agg(coalesce(part, '__none__'), ' + ' ORDER BY position)) END AS value
FROM parts JOIN dimensions USING (attribute) GROUP BY subject, dimension
UNION ALL
SELECT subject, 'channel', coalesce(part, '__none__') FROM read
WHERE subject < 0 AND 'channel' IN (SELECT dimension FROM dimensions);

CREATE TABLE members AS
WITH present AS (
    SELECT subject, sum(weight) FILTER ("window" = getvariable('longest') AND cells.cell = 'reached lead') AS leads
    FROM placed JOIN cells ON cells.id = placed.cell WHERE weight <> 0 GROUP BY subject
), ranked AS (
    SELECT pipeline, dimension, value,
        row_number() OVER (PARTITION BY pipeline, dimension ORDER BY coalesce(sum(leads), 0) DESC, value) AS position
    FROM present JOIN named USING (subject) JOIN subjects USING (subject) WHERE value NOT IN ('__none__', '__other__')
    GROUP BY pipeline, dimension, value
)
SELECT subject, pipeline, '' AS dimension, '' AS value FROM subjects
UNION ALL
SELECT subject, pipeline, dimension, CASE WHEN value = '__none__' OR position <= shown_of(dimension) THEN value ELSE '__other__' END
FROM named JOIN subjects USING (subject) LEFT JOIN ranked USING (pipeline, dimension, value);

CREATE TABLE groups AS
SELECT row_number() OVER ()::INT AS id, * FROM (SELECT DISTINCT pipeline, dimension, value FROM members);
CREATE TABLE grouped AS
SELECT subject, id AS "group" FROM members JOIN groups USING (pipeline, dimension, value);

CREATE TABLE raw_sums AS
SELECT "group", "window", cell, sum(weight) AS n, count(*) AS samples FROM placed JOIN grouped USING (subject) GROUP BY ALL;

-- The open labels problem, outcome and reason show their top N in the pipeline's total.
CREATE TABLE labels_shown AS
WITH counted AS (
    SELECT pipeline, split_part(c.cell, ' ', 1) AS kind, label, coalesce(sum(n) FILTER ("window" = getvariable('longest')), 0) AS n
    FROM raw_sums s JOIN cells c ON c.id = s.cell JOIN groups g ON g.id = s."group"
    WHERE dimension = '' AND label NOT IN ('', '__none__', '__other__') AND c.cell NOT LIKE 'lost value %' GROUP BY ALL
)
SELECT pipeline, kind, label FROM counted
QUALIFY row_number() OVER (PARTITION BY pipeline, kind ORDER BY n DESC, label) <= shown_of(if(kind = 'lost', 'reason', kind));

CREATE TABLE sums AS
SELECT {'pipeline': g.pipeline, 'window': "window", 'dimension': dimension, 'value': value} AS place, c.cell,
    if(c.label IN ('', '__none__') OR s.label IS NOT NULL, c.label, '__other__') AS label, currency,
    sum(n) AS n, sum(samples) AS samples
FROM raw_sums r JOIN cells c ON c.id = r.cell JOIN groups g ON g.id = r."group"
    LEFT JOIN labels_shown s ON s.pipeline = g.pipeline AND s.kind = split_part(c.cell, ' ', 1) AND s.label = c.label
GROUP BY ALL;

CREATE TABLE ranks AS
SELECT {'pipeline': pipeline, 'window': "window", 'dimension': dimension, 'value': value} AS place, cells.cell, list(weight ORDER BY weight) AS durations
FROM placed JOIN cells ON cells.id = placed.cell JOIN grouped USING (subject) JOIN groups ON groups.id = "group"
WHERE cells.cell IN (SELECT DISTINCT cell FROM durations) GROUP BY ALL;

-- Where figures may stand. A pipeline is known when it is configured or has anything in any window
-- or now.
CREATE TABLE places AS
SELECT {'pipeline': pipeline, 'window': "window", 'dimension': '', 'value': ''} AS place
FROM (SELECT place.pipeline AS pipeline FROM sums WHERE n <> 0 UNION FROM pipelines), (SELECT "window" FROM windows UNION ALL SELECT 'now')
UNION
SELECT place FROM sums WHERE place.dimension <> '';

-- ---------------------------------------------------------- the catalogue: series from cells

CREATE MACRO open_stages() AS TABLE SELECT stage, rank FROM stages WHERE rank <= 4;
CREATE TABLE no_labels AS SELECT MAP {}::MAP(VARCHAR, VARCHAR) AS labels;

CREATE TABLE counts_of AS
SELECT 'funnel_leads' AS kpi, labels, 'reached lead' AS cell FROM no_labels
UNION ALL SELECT 'funnel_qualified_leads', labels, 'reached qualified' FROM no_labels
UNION ALL SELECT 'funnel_offers_sent', labels, 'offer' FROM no_labels
UNION ALL SELECT 'funnel_deals_offered', labels, 'first offer' FROM no_labels
UNION ALL SELECT 'funnel_deals_closed', MAP {'outcome': o}, 'closed ' || o FROM (SELECT unnest(['won', 'lost']) AS o)
UNION ALL SELECT 'funnel_stage_entries', MAP {'stage': stage}, 'reached ' || stage FROM stages WHERE stage <> 'lost'
UNION ALL SELECT 'funnel_transitions', MAP {'from_stage': f.stage, 'to_stage': t.stage}, 'move ' || f.stage || ' ' || t.stage
    FROM stages f JOIN stages t ON f.rank <> t.rank
UNION ALL SELECT 'funnel_activities', MAP {'activity': a, 'outcome': o}, 'activity ' || a || ' ' || o
    FROM (SELECT unnest(['meeting', 'audit', 'call', 'negotiation_round']) AS a), (SELECT unnest(['held', 'no_show']) AS o)
UNION ALL SELECT 'funnel_open_deals', MAP {'stage': stage}, 'open ' || stage FROM open_stages()
UNION ALL SELECT 'funnel_stuck_deals', MAP {'stage': stage}, 'stuck ' || stage FROM open_stages();

CREATE TABLE ratios_of AS
WITH pairs AS (
    SELECT f.stage AS f, t.stage AS t, t.rank = f.rank + 1 OR f.stage = 'lead' OR (f.stage = 'offer' AND t.stage = 'won') AS matures
    FROM stages f JOIN stages t ON f.rank < t.rank AND t.stage <> 'lost'
)
SELECT 'funnel_lead_quality_ratio' AS kpi, MAP {'basis': 'period'} AS labels, 'reached qualified' AS top, 'reached lead' AS base, NULL AS pipeline
UNION ALL SELECT 'funnel_lead_quality_ratio', MAP {'basis': 'cohort'}, 'cohort lead qualified', 'reached lead', NULL
UNION ALL SELECT 'funnel_sales_conversion_ratio', MAP {'basis': 'period'}, 'reached won', 'reached lead', NULL
UNION ALL SELECT 'funnel_sales_conversion_ratio', MAP {'basis': 'cohort'}, 'cohort lead won', 'reached lead', NULL
UNION ALL SELECT 'funnel_win_ratio', labels, 'closed won', 'closed', NULL FROM no_labels
UNION ALL SELECT 'funnel_negotiation_success_ratio', labels, 'negotiated won', 'negotiated', NULL FROM no_labels
UNION ALL SELECT 'funnel_offer_acceptance_ratio', MAP {'basis': 'period'}, 'offered won', 'offered closed', NULL
UNION ALL SELECT 'funnel_offer_acceptance_ratio', MAP {'basis': 'cohort'}, 'first offer won', 'first offer', NULL
UNION ALL SELECT 'funnel_activity_conversion_ratio', MAP {'activity': a}, 'followed ' || a, 'tried ' || a, NULL
    FROM (SELECT unnest(['meeting', 'audit', 'call', 'negotiation_round']) AS a)
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'period'}, 'reached ' || t, 'reached ' || f, NULL FROM pairs
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'cohort'}, 'cohort ' || f || ' ' || t, 'reached ' || f, NULL FROM pairs
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'matured', 'horizon': horizon},
    'matured ' || f || ' ' || t || ' ' || horizon, 'settled ' || f || ' ' || horizon, pipeline FROM pairs, horizons WHERE matures;

CREATE TABLE means_of AS
SELECT 'funnel_lead_acquisition_seconds' AS kpi, labels, 'acquisition' AS cell, 1000000::HUGEINT AS unit, 'relative' AS precision FROM no_labels
UNION ALL SELECT 'funnel_offer_preparation_seconds', labels, 'preparation', 1000000, 'relative' FROM no_labels
UNION ALL SELECT 'funnel_negotiation_seconds', labels, 'negotiation', 1000000, 'relative' FROM no_labels
UNION ALL SELECT 'funnel_time_to_close_seconds', MAP {'outcome': o}, 'time ' || o, 1000000, 'relative' FROM (SELECT unnest(['won', 'lost']) AS o)
UNION ALL SELECT 'funnel_stage_duration_seconds', MAP {'stage': stage}, 'stay ' || stage, 1000000, 'relative' FROM open_stages()
UNION ALL SELECT 'funnel_open_age_seconds', MAP {'stage': stage}, 'age ' || stage, 1000000, 'relative' FROM open_stages()
UNION ALL SELECT 'funnel_negotiation_rounds', labels, 'rounds', 1, 'relative' FROM no_labels
UNION ALL SELECT 'funnel_lead_score', MAP {'qualified': q}, 'score ' || q, 1000000, 'relative' FROM (SELECT unnest(['true', 'false']) AS q)
UNION ALL SELECT 'funnel_discount_ratio', labels, 'discount', 1000000000000000000, 'discount' FROM no_labels;

-- Of the present are these; every other KPI is of a window.
CREATE MACRO is_of_now(kpi) AS kpi IN ('funnel_open_deals', 'funnel_stuck_deals', 'funnel_open_age_seconds', 'funnel_open_value');

CREATE TABLE figures AS
WITH counted AS (
    SELECT p.place, kpi, labels, coalesce(n, 0) AS n
    FROM places p JOIN counts_of c ON is_of_now(kpi) = (p.place."window" = 'now') LEFT JOIN sums s ON s.place = p.place AND s.cell = c.cell
    WHERE kpi <> 'funnel_stuck_deals' OR EXISTS (
        FROM stuck_limits l WHERE l.pipeline = settings_of(p.place.pipeline) AND l.stage = labels['stage'])
), quotients AS (
    SELECT p.place, kpi, labels, coalesce(a.n, 0) AS top, coalesce(b.n, 0) AS base
    FROM places p CROSS JOIN ratios_of r JOIN windows w ON w."window" = place."window"
        LEFT JOIN sums a ON a.place = p.place AND a.cell = r.top
        LEFT JOIN sums b ON b.place = p.place AND b.cell = r.base
    WHERE r.pipeline IS NULL OR (w.length >= 86400000000 AND r.pipeline = settings_of(p.place.pipeline))
), means AS (
    SELECT p.place, kpi, labels, unit, precision, coalesce(n, 0) AS total, coalesce(samples, 0) AS samples, durations
    FROM places p JOIN means_of m ON is_of_now(kpi) = (p.place."window" = 'now')
        LEFT JOIN sums s ON s.place = p.place AND s.cell = m.cell LEFT JOIN ranks r ON r.place = p.place AND r.cell = m.cell
), valued AS (
    SELECT place, cell, label, currency, n, samples, coalesce(unit, 100)::HUGEINT AS unit, string_split(cell, ' ') AS words
    FROM sums LEFT JOIN odd_units ON code = currency WHERE currency <> ''
), amounts AS (
    SELECT place, CASE words[1] WHEN 'spend' THEN 'funnel_spend' WHEN 'open' THEN 'funnel_open_value'
        WHEN 'lost' THEN 'funnel_lost_value' ELSE 'funnel_deal_value' END AS kpi, n, unit,
        CASE words[1] WHEN 'value' THEN MAP {'outcome': words[2], 'currency': currency}
            WHEN 'lost' THEN MAP {'reason': label, 'lost_from': words[3], 'offered': words[4], 'currency': currency}
            WHEN 'open' THEN MAP {'stage': words[3], 'currency': currency}
            ELSE MAP {'currency': currency} END AS labels
    FROM valued WHERE words[1] IN ('spend', 'value') OR words[1:2] IN (['open', 'value'], ['lost', 'value'])
), shares_of AS (
    SELECT place, 'funnel_value_retention_ratio' AS kpi, currency, unit,
        coalesce(sum(n) FILTER (cell = 'final'), 0) AS top, coalesce(sum(n) FILTER (cell = 'original'), 0) AS base
    FROM valued WHERE cell IN ('final', 'original') GROUP BY ALL
    UNION ALL
    SELECT place, 'funnel_margin_ratio', currency, unit,
        coalesce(sum(n) FILTER (cell = 'revenue'), 0) - coalesce(sum(n) FILTER (cell = 'cost'), 0), coalesce(sum(n) FILTER (cell = 'revenue'), 0)
    FROM valued WHERE cell IN ('revenue', 'cost') GROUP BY ALL
), velocity AS (
    SELECT v.place, v.currency, v.n * w.n * w.n * o.n * 86400000000 AS top, c.n * a.n * t.n * v.unit AS base
    FROM valued v JOIN sums w ON w.place = v.place AND w.cell = 'closed won'
        JOIN sums c ON c.place = v.place AND c.cell = 'closed'
        JOIN sums a ON a.place = v.place AND a.cell = 'won with amount'
        JOIN sums t ON t.place = v.place AND t.cell = 'time won'
        LEFT JOIN (
            SELECT struct_update(place, "window" := NULL) AS row_of, sum(if(cell LIKE 'stuck %', -n, n)) AS n
            FROM sums WHERE (cell LIKE 'open %' OR cell LIKE 'stuck %') AND currency = '' GROUP BY ALL
        ) o ON o.row_of IS NOT DISTINCT FROM struct_update(v.place, "window" := NULL)
    WHERE v.cell = 'value won' AND v.n <> 0 AND t.n <> 0 AND w.n >= 5
), won_per_day AS (
    SELECT place, currency, n::HUGEINT * 86400000000 AS top, unit * (getvariable('as_of_us') - begins) AS base
    FROM valued v JOIN spans s ON s."window" = v.place."window"
    WHERE cell = 'value won' AND n <> 0 AND getvariable('as_of_us') > begins
), open_labels AS (
    SELECT place, 'funnel_problems' AS kpi, MAP {'problem': label} AS labels, n FROM sums WHERE cell = 'problem'
    UNION ALL
    SELECT place, 'funnel_desired_outcomes', MAP {'outcome': label}, n FROM sums WHERE cell = 'outcome'
    UNION ALL
    SELECT place, 'funnel_lost_deals', MAP {'reason': label, 'lost_from': split_part(cell, ' ', 2), 'offered': split_part(cell, ' ', 3)}, n
    FROM sums WHERE cell LIKE 'lost %' AND currency = ''
)
-- In breakdowns a count appears when it is not zero, and the two parts of a quotient when one of
-- them is not; in total they are 0 for every pipeline, except where a label is open.
SELECT place, kpi, '' AS suffix, labels, n AS numerator, 1::HUGEINT AS denominator, 'exact' AS precision
FROM counted WHERE n <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '', labels, top, base, 'relative' FROM quotients WHERE base <> 0
UNION ALL
SELECT place, kpi, '_numerator', labels, top, 1, 'exact' FROM quotients WHERE base <> 0 OR top <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_denominator', labels, base, 1, 'exact' FROM quotients WHERE base <> 0 OR top <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '', labels, total, samples * unit, precision FROM means WHERE samples <> 0
UNION ALL
SELECT place, kpi, '_sum', labels, total, unit, precision FROM means WHERE samples <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_count', labels, samples, 1, 'exact' FROM means WHERE samples <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_quantile', map_concat(labels, MAP {'quantile': q}), durations[((samples * tenths + 9) // 10)::INT], unit,
    if(samples = 1, 'relative', 'quantile')
FROM means, (VALUES ('0.5', 5), ('0.9', 9)) t(q, tenths) WHERE durations IS NOT NULL
UNION ALL
SELECT place, kpi, '', labels, n, 1, 'exact' FROM open_labels WHERE n <> 0
UNION ALL
SELECT place, kpi, '', labels, n, unit, 'exact' FROM amounts WHERE n <> 0
UNION ALL
SELECT place, 'funnel_offer_value', suffix, MAP {'currency': currency}, top, base, precision
FROM valued, (VALUES ('', n, samples * unit, 'relative'), ('_sum', n, unit, 'exact'), ('_count', samples, 1, 'exact')) t(suffix, top, base, precision)
WHERE cell = 'offer value'
UNION ALL
SELECT place, kpi, suffix, MAP {'currency': currency}, t.top, t.base, precision
FROM shares_of s, (VALUES ('', s.top, s.base, 'relative'), ('_numerator', s.top, unit, 'exact'), ('_denominator', s.base, unit, 'exact')) t(suffix, top, base, precision)
WHERE t.base <> 0 AND (s.top <> 0 OR s.base <> 0)
UNION ALL
SELECT place, 'funnel_cost_per_lead', suffix, MAP {'currency': currency}, top, base, precision
FROM (SELECT v.*, coalesce(l.n, 0) AS leads FROM valued v LEFT JOIN sums l ON l.place = v.place AND l.cell = 'reached lead' WHERE v.cell = 'spend' AND v.n <> 0) s,
    (VALUES ('', s.n, leads * unit, 'relative'), ('_numerator', s.n, unit, 'exact'), ('_denominator', leads, 1, 'exact')) t(suffix, top, base, precision)
WHERE base <> 0
UNION ALL
SELECT place, 'funnel_pipeline_velocity', '', MAP {'currency': currency}, coalesce(top, 0), base, 'relative' FROM velocity
UNION ALL
SELECT place, 'funnel_won_value_per_day', '', MAP {'currency': currency}, top, base, 'relative' FROM won_per_day;
