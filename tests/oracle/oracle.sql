-- Every KPI of the catalogue, computed a second time: plain SQL over a file of events, as of an
-- instant. It follows the definitions in the documentation and shares nothing with the package,
-- so that an error has to be made twice to pass unseen.
--
-- Set before it runs: events_path, as_of_us and now_us (microseconds since the epoch, UTC).
-- Result: figures(metric, labels, numerator, denominator, precision); a figure's value is
-- numerator / denominator, both integers.

CREATE TABLE stages AS SELECT * FROM (VALUES
    ('lead', 0), ('qualified', 1), ('potential', 2), ('offer', 3), ('negotiation', 4), ('won', 5),
    ('lost', 6)) t(stage, rank);

CREATE TABLE windows AS
SELECT name, days * 86400000000 + hours * 3600000000 AS length, pane FROM (VALUES
    ('1h', 0, 1, 60000000), ('24h', 1, 0, 3600000000), ('7d', 7, 0, 3600000000),
    ('30d', 30, 0, 3600000000), ('365d', 365, 0, 86400000000)) t(name, days, hours, pane);

CREATE TABLE horizons AS
SELECT name, days * 86400000000 AS length FROM (VALUES ('1d', 1), ('7d', 7), ('30d', 30)) t(name, days);

CREATE TABLE minor_digits AS
SELECT unnest(string_split('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF', ' ')) AS code, 0 AS digits
UNION ALL SELECT unnest(string_split('BHD IQD JOD KWD LYD OMR TND', ' ')), 3
UNION ALL SELECT unnest(['CLF', 'UYW']), 4;

-- ---------------------------------------------------------------- reading: what is an event

-- RFC 3339 with an offset to microseconds (further digits are cut); anything else is NULL.
CREATE MACRO instant(s) AS CASE
    WHEN regexp_full_match(s, '\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})') THEN
        epoch_us(try_cast(substr(s, 1, 10) || ' ' || substr(s, 12, 8) AS TIMESTAMP))
        + rpad(left(regexp_extract(s, '\.(\d+)', 1), 6), 6, '0')::BIGINT
        - CASE regexp_extract(s, '([+-])\d{2}:\d{2}$', 1) WHEN '+' THEN 60000000 WHEN '-' THEN -60000000 ELSE 0 END
        * (60 * coalesce(try_cast(regexp_extract(s, '[+-](\d{2}):\d{2}$', 1) AS BIGINT), 0)
           + coalesce(try_cast(regexp_extract(s, '[+-]\d{2}:(\d{2})$', 1) AS BIGINT), 0))
    END;

CREATE MACRO is_text(j, field) AS coalesce(json_type(j, '$.' || field), 'NULL') IN ('NULL', 'VARCHAR');
CREATE MACRO is_name(j, field) AS
    json_type(j, '$.' || field) = 'VARCHAR' AND length(json_extract_string(j, '$.' || field)) BETWEEN 1 AND 128;

-- A number as it was written: JSON readers would push it through a binary float.
CREATE MACRO written(line, j, field) AS CASE
    WHEN json_type(j, '$.' || field) = 'VARCHAR' THEN json_extract_string(j, '$.' || field)
    ELSE regexp_extract(line, '"' || field || '"\s*:\s*([^\s,}\]]+)', 1) END;

CREATE TABLE parsed AS
WITH lines AS (
    SELECT unnest(l) AS line, generate_subscripts(l, 1) AS pos
    FROM (SELECT string_split(content, chr(10)) AS l FROM read_text(getvariable('events_path')))
), objects AS (
    SELECT pos, line, try_cast(line AS JSON) AS j FROM lines WHERE strlen(line) <= 65536
)
SELECT pos, j->>'type' AS type, j->>'deal_id' AS deal_id, j->>'event_id' AS event_id,
    instant(j->>'occurred_at') AS at_us, j->>'stage' AS stage, rank, j->>'pipeline' AS pipeline,
    j->>'channel' AS channel, j->>'source' AS source, j->>'contact_trigger' AS contact_trigger,
    j->>'product' AS product, j->>'industry' AS industry, j->>'segment' AS segment,
    j->>'owner' AS owner, j->>'closing_document' AS closing_document, j->>'currency' AS currency,
    coalesce(json_type(j, '$.amount'), 'NULL') <> 'NULL' AS has_amount,
    CASE WHEN has_amount AND regexp_full_match(written(line, j, 'amount'), '\d+(\.\d+)?([eE][+-]?\d+)?')
        THEN try_cast(written(line, j, 'amount') AS DECIMAL(38, 12)) END
        * (10 ** coalesce(digits, 2))::BIGINT AS minor,
    json_type(j) = 'OBJECT' AND is_name(j, 'deal_id') AS of_a_deal,
    of_a_deal AND is_name(j, 'event_id') AND json_type(j, '$.occurred_at') = 'VARCHAR'
        AND at_us IS NOT NULL AND at_us <= getvariable('now_us') + 300000000 AND is_text(j, 'pipeline')
        AND CASE
            WHEN type = 'activity_recorded' THEN
                j->>'activity' IN ('meeting', 'audit', 'call', 'negotiation_round')
                AND coalesce(j->>'outcome', 'held') IN ('held', 'no_show')
            WHEN type IN ('stage_changed', 'deal_updated') THEN
                (type = 'deal_updated' OR (json_type(j, '$.stage') = 'VARCHAR' AND rank IS NOT NULL))
                AND is_text(j, 'channel') AND is_text(j, 'source') AND is_text(j, 'contact_trigger')
                AND is_text(j, 'product') AND is_text(j, 'industry') AND is_text(j, 'segment')
                AND is_text(j, 'owner') AND is_text(j, 'closing_document') AND is_text(j, 'currency')
                AND (NOT has_amount OR (minor = floor(minor) AND regexp_full_match(currency, '[A-Z]{3}')))
            ELSE false END AS valid
FROM objects LEFT JOIN stages s ON s.stage = j->>'stage' LEFT JOIN minor_digits ON code = j->>'currency';

-- Deals that are erased: what stands before the line in the file vanishes, and what follows it
-- but occurred no later than the deal's events before it is a late duplicate. Whether anything
-- else that follows occurred before the erasure a file does not say: undecided.
CREATE TABLE events AS
WITH seen AS (
    SELECT * REPLACE (CASE WHEN type = 'deal_updated' OR type = 'activity_recorded' THEN NULL ELSE rank END AS rank)
    FROM parsed WHERE valid AND at_us <= getvariable('as_of_us')
), erasures AS (
    SELECT deal_id, max(pos) AS erased_pos FROM parsed WHERE type = 'deal_erased' AND of_a_deal GROUP BY deal_id
), limits AS (
    SELECT deal_id, erased_pos, max(at_us) AS certainly_before
    FROM erasures LEFT JOIN seen USING (deal_id) WHERE pos < erased_pos OR pos IS NULL GROUP BY ALL
)
SELECT *, CASE WHEN type <> 'activity_recorded' AND has_amount THEN minor::HUGEINT END AS amount,
    erased_pos IS NOT NULL AS undecided
FROM seen LEFT JOIN erasures USING (deal_id) LEFT JOIN limits USING (deal_id, erased_pos)
WHERE erased_pos IS NULL OR (pos > erased_pos AND coalesce(at_us > certainly_before, true))
QUALIFY row_number() OVER (PARTITION BY deal_id, event_id ORDER BY pos) = 1;

-- ------------------------------------------------------------------------- journeys of deals

-- A deal that was closed and silent for 400 d is over: what comes later starts a new one.
CREATE TABLE journal AS
WITH ordered AS (
    SELECT *, at_us - lag(at_us) OVER time > 400 * 86400000000
        AND last_value(rank IGNORE NULLS) OVER (time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) >= 5 AS revived
    FROM events WINDOW time AS (PARTITION BY deal_id ORDER BY at_us, coalesce(rank, 7), event_id)
)
SELECT *, deal_id || '/' || sum(coalesce(revived, false)::INT) OVER (
    PARTITION BY deal_id ORDER BY at_us, coalesce(rank, 7), event_id) AS deal FROM ordered;

CREATE TABLE moves AS
SELECT deal, at_us, rank, event_id, lag(rank) OVER ordered AS previous,
    previous IS DISTINCT FROM rank AS is_entry
FROM journal WHERE rank IS NOT NULL WINDOW ordered AS (PARTITION BY deal ORDER BY at_us, rank, event_id);

CREATE TABLE attributes AS
WITH given AS (
    SELECT * REPLACE (
        CASE WHEN type <> 'activity_recorded' THEN channel END AS channel,
        CASE WHEN type <> 'activity_recorded' THEN source END AS source,
        CASE WHEN type <> 'activity_recorded' THEN contact_trigger END AS contact_trigger,
        CASE WHEN type <> 'activity_recorded' THEN product END AS product,
        CASE WHEN type <> 'activity_recorded' THEN industry END AS industry,
        CASE WHEN type <> 'activity_recorded' THEN segment END AS segment,
        CASE WHEN type <> 'activity_recorded' THEN owner END AS owner,
        CASE WHEN type <> 'activity_recorded' THEN closing_document END AS closing_document)
    FROM journal
)
SELECT deal,
    left(coalesce(last(pipeline ORDER BY at_us, event_id) FILTER (pipeline IS NOT NULL), 'default'), 120) AS pipeline,
    last(channel ORDER BY at_us, event_id) FILTER (channel IS NOT NULL) AS channel,
    last(source ORDER BY at_us, event_id) FILTER (source IS NOT NULL) AS source,
    last(contact_trigger ORDER BY at_us, event_id) FILTER (contact_trigger IS NOT NULL) AS contact_trigger,
    last(product ORDER BY at_us, event_id) FILTER (product IS NOT NULL) AS product,
    last(industry ORDER BY at_us, event_id) FILTER (industry IS NOT NULL) AS industry,
    last(segment ORDER BY at_us, event_id) FILTER (segment IS NOT NULL) AS segment,
    last(owner ORDER BY at_us, event_id) FILTER (owner IS NOT NULL) AS owner,
    last(closing_document ORDER BY at_us, event_id) FILTER (closing_document IS NOT NULL) AS closing_document,
    last(amount ORDER BY at_us, event_id) FILTER (amount IS NOT NULL) AS amount,
    last(currency ORDER BY at_us, event_id) FILTER (amount IS NOT NULL) AS currency
FROM given GROUP BY deal;

-- A repeated stage is no entry, so the closing is the last *entry*, when that is won or lost.
CREATE TABLE closings AS
SELECT deal, last(rank ORDER BY at_us, rank, event_id) AS outcome_rank,
    if(outcome_rank = 5, 'won', 'lost') AS outcome,
    last(at_us ORDER BY at_us, rank, event_id) FILTER (is_entry) AS closed_at,
    bool_or(rank = 4) AS negotiated
FROM moves GROUP BY deal HAVING outcome_rank >= 5;

CREATE TABLE reached AS
SELECT deal, s.rank, stage, min(at_us) AS at_us
FROM moves m JOIN stages s ON s.rank < 5 AND (m.rank BETWEEN s.rank AND 5 OR s.rank = 0) GROUP BY ALL
UNION ALL
SELECT deal, 5, 'won', closed_at FROM closings WHERE outcome = 'won';

-- ------------------------------------------------------- facts: what a deal adds, and when

-- `settles` marks what counts in the first pane that starts at or after `at`.
CREATE TABLE facts AS
SELECT deal, 'reached ' || stage AS cell, at_us, false AS settles, 1::HUGEINT AS weight FROM reached
UNION ALL
SELECT b.deal, 'cohort ' || b.stage || ' ' || t.stage, b.at_us, false, 1
FROM reached b JOIN reached t ON t.deal = b.deal AND b.rank < t.rank
UNION ALL
SELECT deal, 'settled ' || stage || ' ' || h.name, at_us + h.length, true, 1 FROM reached, horizons h
UNION ALL
SELECT b.deal, 'matured ' || b.stage || ' ' || t.stage || ' ' || h.name, b.at_us + h.length, true, 1
FROM reached b JOIN reached t ON t.deal = b.deal AND b.rank < t.rank
    JOIN horizons h ON t.at_us - b.at_us <= h.length
UNION ALL
SELECT deal, 'closed ' || outcome, closed_at, false, 1 FROM closings
UNION ALL
SELECT deal, 'closed', closed_at, false, 1 FROM closings
UNION ALL
SELECT deal, 'negotiated', closed_at, false, 1 FROM closings WHERE negotiated
UNION ALL
SELECT deal, 'negotiated won', closed_at, false, 1 FROM closings WHERE negotiated AND outcome = 'won'
UNION ALL
SELECT deal, 'time ' || outcome, closed_at, false, closed_at - at_us FROM closings JOIN reached USING (deal) WHERE rank = 0
UNION ALL
SELECT deal, 'value ' || outcome || ' ' || currency, closed_at, false, amount
FROM closings JOIN attributes USING (deal) WHERE amount IS NOT NULL
UNION ALL
SELECT deal, 'offer', at_us, false, 1 FROM moves WHERE rank = 3
UNION ALL
SELECT deal, 'move ' || f.stage || ' ' || t.stage, at_us, false, 1
FROM moves m JOIN stages f ON f.rank = m.previous JOIN stages t ON t.rank = m.rank WHERE is_entry;

-- The pane of t and the length/pane - 1 panes before it.
CREATE TABLE spans AS
SELECT name AS "window", length, pane, getvariable('as_of_us') // pane * pane AS last_pane, last_pane - length + pane AS begins
FROM windows;

CREATE TABLE placed AS
SELECT deal, pipeline, "window", cell, weight
FROM facts JOIN attributes USING (deal)
    JOIN spans ON CASE WHEN settles THEN (at_us + pane - 1) // pane * pane BETWEEN begins AND last_pane
                  ELSE at_us BETWEEN begins AND getvariable('as_of_us') END;

-- ----------------------------------------------------------------------------- breakdowns

CREATE TABLE members AS
WITH named AS (
    SELECT deal, pipeline, dimension, coalesce(left(v, 120), '__none__') AS value
    FROM attributes UNPIVOT INCLUDE NULLS (v FOR dimension IN (channel, source, contact_trigger,
        product, industry, segment, owner, closing_document))
), candidates AS (
    SELECT pipeline, dimension, value, count(*) FILTER (cell = 'reached lead' AND "window" = '365d') AS leads
    FROM named JOIN placed USING (deal, pipeline) WHERE value <> '__none__' GROUP BY ALL
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY pipeline, dimension ORDER BY leads DESC, value) AS place
    FROM candidates
)
SELECT deal, '' AS dimension, '' AS value FROM attributes
UNION ALL
SELECT deal, dimension, CASE WHEN value = '__none__' OR place <= 20 THEN value ELSE '__other__' END
FROM named LEFT JOIN ranked USING (pipeline, dimension, value);

CREATE TABLE sums AS
SELECT {'pipeline': pipeline, 'window': "window", 'dimension': dimension, 'value': value} AS place,
    cell, sum(weight) AS n, count(*) AS deals,
    list(weight ORDER BY weight) FILTER (cell LIKE 'time %') AS durations
FROM placed JOIN members USING (deal) GROUP BY pipeline, "window", dimension, value, cell;

-- Where figures may stand. A pipeline is known when it has anything in any window; the default one
-- always is.
CREATE TABLE places AS
SELECT {'pipeline': pipeline, 'window': spans."window", 'dimension': '', 'value': ''} AS place
FROM (SELECT pipeline FROM placed UNION SELECT 'default'), spans
UNION
SELECT place FROM sums;

-- ---------------------------------------------------------- the catalogue: series from cells

CREATE TABLE counts_of AS
SELECT 'funnel_leads' AS kpi, MAP {}::MAP(VARCHAR, VARCHAR) AS labels, 'reached lead' AS cell
UNION ALL SELECT 'funnel_qualified_leads', MAP {}, 'reached qualified'
UNION ALL SELECT 'funnel_offers_sent', MAP {}, 'offer'
UNION ALL SELECT 'funnel_deals_closed', MAP {'outcome': o}, 'closed ' || o FROM (SELECT unnest(['won', 'lost']) AS o)
UNION ALL SELECT 'funnel_stage_entries', MAP {'stage': stage}, 'reached ' || stage FROM stages WHERE stage <> 'lost'
UNION ALL SELECT 'funnel_transitions', MAP {'from_stage': f.stage, 'to_stage': t.stage}, 'move ' || f.stage || ' ' || t.stage
    FROM stages f JOIN stages t ON f.rank <> t.rank;

CREATE TABLE ratios_of AS
WITH pairs AS (
    SELECT f.stage AS f, t.stage AS t, t.rank = f.rank + 1 OR f.stage = 'lead' OR (f.stage = 'offer' AND t.stage = 'won') AS matures
    FROM stages f JOIN stages t ON f.rank < t.rank AND t.stage <> 'lost'
)
SELECT 'funnel_lead_quality_ratio' AS kpi, MAP {'basis': 'period'} AS labels, 'reached qualified' AS top, 'reached lead' AS base
UNION ALL SELECT 'funnel_lead_quality_ratio', MAP {'basis': 'cohort'}, 'cohort lead qualified', 'reached lead'
UNION ALL SELECT 'funnel_sales_conversion_ratio', MAP {'basis': 'period'}, 'reached won', 'reached lead'
UNION ALL SELECT 'funnel_sales_conversion_ratio', MAP {'basis': 'cohort'}, 'cohort lead won', 'reached lead'
UNION ALL SELECT 'funnel_win_ratio', MAP {}, 'closed won', 'closed'
UNION ALL SELECT 'funnel_negotiation_success_ratio', MAP {}, 'negotiated won', 'negotiated'
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'period'}, 'reached ' || t, 'reached ' || f FROM pairs
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'cohort'}, 'cohort ' || f || ' ' || t, 'reached ' || f FROM pairs
UNION ALL SELECT 'funnel_conversion_ratio', MAP {'from_stage': f, 'to_stage': t, 'basis': 'matured', 'horizon': name},
    'matured ' || f || ' ' || t || ' ' || name, 'settled ' || f || ' ' || name FROM pairs, horizons WHERE matures;

CREATE TABLE figures_of AS
WITH counted AS (
    SELECT p.place, kpi, labels, coalesce(n, 0) AS n
    FROM places p CROSS JOIN counts_of c LEFT JOIN sums s ON s.place = p.place AND s.cell = c.cell
), quotients AS (
    SELECT p.place, kpi, labels, coalesce(a.n, 0) AS top, coalesce(b.n, 0) AS base
    FROM places p CROSS JOIN ratios_of r JOIN windows w ON w.name = place."window"
        LEFT JOIN sums a ON a.place = p.place AND a.cell = r.top
        LEFT JOIN sums b ON b.place = p.place AND b.cell = r.base
    WHERE labels['basis'] IS DISTINCT FROM 'matured' OR w.length >= 86400000000
), times AS (
    SELECT p.place, 'funnel_time_to_close_seconds' AS kpi, MAP {'outcome': outcome} AS labels,
        coalesce(n, 0) AS us, coalesce(deals, 0) AS deals, durations
    FROM places p CROSS JOIN (SELECT unnest(['won', 'lost']) AS outcome) o
        LEFT JOIN sums s ON s.place = p.place AND s.cell = 'time ' || outcome
), money AS (
    SELECT place, 'funnel_deal_value' AS kpi, n, 10 ** coalesce(digits, 2) AS unit,
        MAP {'outcome': split_part(cell, ' ', 2), 'currency': split_part(cell, ' ', 3)} AS labels
    FROM sums LEFT JOIN minor_digits ON code = split_part(cell, ' ', 3) WHERE cell LIKE 'value %'
)
-- In breakdowns a count appears when it is not zero, and the two parts of a quotient when one of
-- them is not; in total they are 0 for every pipeline, except where a label is open (currency).
SELECT place, kpi, '' AS suffix, labels, n AS numerator, 1::HUGEINT AS denominator, 'exact' AS precision
FROM counted WHERE n <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '', labels, top, base, 'relative' FROM quotients WHERE base <> 0
UNION ALL
SELECT place, kpi, '_numerator', labels, top, 1, 'exact' FROM quotients WHERE base <> 0 OR top <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_denominator', labels, base, 1, 'exact' FROM quotients WHERE base <> 0 OR top <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '', labels, us, deals * 1000000, 'relative' FROM times WHERE deals <> 0
UNION ALL
SELECT place, kpi, '_sum', labels, us, 1000000, 'relative' FROM times WHERE deals <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_count', labels, deals, 1, 'exact' FROM times WHERE deals <> 0 OR place.dimension = ''
UNION ALL
SELECT place, kpi, '_quantile', map_concat(labels, MAP {'quantile': q}), durations[(deals * tenths + 9) // 10], 1000000, 'quantile'
FROM times, (VALUES ('0.5', 5), ('0.9', 9)) t(q, tenths) WHERE deals <> 0
UNION ALL
SELECT place, kpi, '', labels, n, unit::HUGEINT, 'exact' FROM money WHERE n <> 0;

CREATE VIEW figures AS
SELECT kpi || if(place.dimension = '', '', '_breakdown') || suffix AS metric,
    map_concat(MAP {'pipeline': place.pipeline, 'window': place."window"},
        if(place.dimension = '', MAP {}, MAP {'dimension': place.dimension, 'value': place.value}), labels) AS labels,
    numerator, denominator, precision
FROM figures_of;
