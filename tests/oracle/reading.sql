-- What is an event: the lines of a file that keep the contract, each once, as of an instant.
--
-- Results: events (one row per event of a deal that counts) and spends (one row per spend).

-- RFC 3339 with an offset to microseconds (further digits are cut); anything else is NULL.
CREATE MACRO instant(s) AS CASE
    WHEN regexp_full_match(s, '\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})') THEN
        epoch_us(try_cast(substr(s, 1, 10) || ' ' || substr(s, 12, 8) AS TIMESTAMP))
        + rpad(left(regexp_extract(s, '\.(\d+)', 1), 6), 6, '0')::BIGINT
        - CASE regexp_extract(s, '([+-])\d{2}:\d{2}$', 1) WHEN '+' THEN 60000000 WHEN '-' THEN -60000000 ELSE 0 END
        * (60 * coalesce(try_cast(regexp_extract(s, '[+-](\d{2}):\d{2}$', 1) AS BIGINT), 0)
           + coalesce(try_cast(regexp_extract(s, '[+-]\d{2}:(\d{2})$', 1) AS BIGINT), 0))
    END;

CREATE MACRO kind_of(j, field) AS coalesce(json_type(j, '$.' || field), 'NULL');
CREATE MACRO is_text(j, field) AS kind_of(j, field) IN ('NULL', 'VARCHAR');
CREATE MACRO is_texts(j, field) AS kind_of(j, field) = 'NULL'
    OR (kind_of(j, field) = 'ARRAY' AND len([k FOR k IN json_type(j, '$.' || field || '[*]') IF k <> 'VARCHAR']) = 0);
CREATE MACRO is_name(j, field) AS
    json_type(j, '$.' || field) = 'VARCHAR' AND length(json_extract_string(j, '$.' || field)) BETWEEN 1 AND 128;

-- A blank text counts as not given.
CREATE MACRO says(s) AS coalesce(regexp_matches(s, '[^\x00-\x20]'), false);
CREATE MACRO given(j, field) AS
    CASE WHEN says(json_extract_string(j, '$.' || field)) THEN json_extract_string(j, '$.' || field) END;
CREATE MACRO is_blank(j, field) AS kind_of(j, field) = 'NULL' OR (kind_of(j, field) = 'VARCHAR' AND given(j, field) IS NULL);
CREATE MACRO is_instant(j, field) AS is_blank(j, field)
    OR (kind_of(j, field) = 'VARCHAR' AND instant(json_extract_string(j, '$.' || field)) IS NOT NULL);
CREATE MACRO meant(j, field) AS CASE WHEN NOT is_none(field, given(j, field)) THEN given(j, field) END;
CREATE MACRO given_texts(j, field) AS CASE WHEN kind_of(j, field) = 'ARRAY'
    THEN [t FOR t IN json_extract_string(j, '$.' || field || '[*]') IF says(t)] END;

-- A number as it was written: JSON readers would push it through a binary float.
CREATE MACRO written(line, j, field) AS CASE kind_of(j, field)
    WHEN 'NULL' THEN NULL
    WHEN 'VARCHAR' THEN json_extract_string(j, '$.' || field)
    ELSE regexp_extract(line, '"' || field || '"\s*:\s*([^\s,}\]]+)', 1) END;

-- The nearest integer of a decimal, half-even.
CREATE MACRO nearest(x) AS floor(x)::HUGEINT
    + if(x - floor(x) > 0.5 OR (x - floor(x) = 0.5 AND floor(x)::HUGEINT % 2 <> 0), 1, 0);

-- Minor units of an amount of up to 18 decimals; NULL where it is none, or `unit` of no currency.
CREATE MACRO minor_units(text, unit) AS CASE
    WHEN regexp_full_match(text, '-0(\.0+)?([eE][+-]?\d+)?') THEN 0 * unit
    WHEN regexp_full_match(text, '(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?')
        AND nearest(try_cast(text AS DECIMAL(38, 18)) * unit) < 1000000000000000
    THEN nearest(try_cast(text AS DECIMAL(38, 18)) * unit) END;

CREATE TABLE parsed AS
WITH lines AS (
    SELECT unnest(l) AS line, generate_subscripts(l, 1) AS pos
    FROM (SELECT string_split(content, chr(10)) AS l FROM read_text(getvariable('events_path')))
), objects AS (
    SELECT pos, line, try_cast(line AS JSON) AS j FROM lines WHERE strlen(line) <= 65536
), coded AS (
    -- Of a currency the case does not matter.
    SELECT objects.*, CASE WHEN kind_of(j, 'currency') = 'VARCHAR' AND regexp_full_match(j->>'currency', '[A-Za-z]{3}')
        AND upper(j->>'currency') NOT IN (SELECT code FROM no_currencies) THEN upper(j->>'currency') END AS written_code
    FROM objects
), named AS (
    -- `a`: the object where it may tell attributes of a deal.
    SELECT pos, line, j, j->>'type' AS type, j->>'event_id' AS event_id, j->>'deal_id' AS deal_id,
        given(j, 'pipeline') AS pipeline, instant(j->>'occurred_at') AS at_us, j->>'stage' AS stage, written_code AS currency,
        CASE WHEN written_code IS NOT NULL THEN coalesce(odd_units.unit, 100) END AS unit,
        CASE WHEN type IN ('stage_changed', 'deal_updated') THEN j END AS a
    FROM coded LEFT JOIN odd_units ON code = written_code
), read AS (
    SELECT named.*, coalesce(canonical.rank, own.rank, common.rank) AS rank,
        minor_units(written(line, j, 'amount'), unit) AS amount, minor_units(written(line, a, 'cost'), unit) AS cost,
        written(line, a, 'score') AS score_text,
        instant(j->>'period_start') AS period_start, instant(j->>'period_end') AS period_end
    FROM named LEFT JOIN stages canonical ON canonical.stage = named.stage
        LEFT JOIN (FROM aliases JOIN stages USING (stage)) own
            ON own.pipeline = coalesce(named.pipeline, 'default') AND own.alias = named.stage
        LEFT JOIN (FROM aliases JOIN stages USING (stage)) common
            ON common.pipeline = '' AND common.alias = named.stage
)
SELECT * EXCLUDE (stage),
    json_type(j) = 'OBJECT' AND is_name(j, 'deal_id') AS of_a_deal,
    json_type(j) = 'OBJECT' AND is_name(j, 'event_id') AND json_type(j, '$.occurred_at') = 'VARCHAR'
        AND at_us IS NOT NULL AND at_us BETWEEN 0 AND getvariable('now_us') + 300000000 AND is_text(j, 'pipeline')
        AND CASE
            WHEN type = 'spend_recorded' THEN
                kind_of(j, 'channel') = 'VARCHAR' AND given(j, 'channel') IS NOT NULL
                AND amount IS NOT NULL
                AND is_instant(j, 'period_start') AND is_instant(j, 'period_end')
                AND (period_start IS NULL) = (period_end IS NULL)
                AND coalesce(period_end > period_start AND period_end - period_start <= 3660 * 86400000000, true)
            WHEN NOT of_a_deal THEN false
            WHEN type = 'activity_recorded' THEN
                j->>'activity' IN ('meeting', 'audit', 'call', 'negotiation_round')
                AND is_text(j, 'outcome') AND coalesce(given(j, 'outcome'), 'held') IN ('held', 'no_show')
            WHEN type IN ('stage_changed', 'deal_updated') THEN
                (type = 'deal_updated' OR (json_type(j, '$.stage') = 'VARCHAR' AND rank IS NOT NULL))
                AND is_text(j, 'channel') AND is_text(j, 'source') AND is_text(j, 'contact_trigger')
                AND is_text(j, 'product') AND is_text(j, 'industry') AND is_text(j, 'segment')
                AND is_text(j, 'owner') AND is_text(j, 'closing_document') AND is_text(j, 'lost_reason')
                AND is_texts(j, 'problems') AND is_texts(j, 'desired_outcomes') AND is_texts(j, 'cleared')
                AND (is_blank(j, 'score') OR kind_of(j, 'score') IN ('UBIGINT', 'BIGINT', 'DOUBLE')) AND coalesce(abs(try_cast(score_text AS DOUBLE)) <= 1e9, true)
                AND is_instant(j, 'first_touch_at') AND is_instant(j, 'offer_requested_at')
            ELSE false END AS valid
FROM read;

CREATE TABLE seen AS SELECT * FROM parsed WHERE valid AND at_us <= getvariable('as_of_us');

-- Deals that are erased: all that occurred up to the time of the erasure, in milliseconds, wherever
-- it stands in the file; without a time up to now.
CREATE TABLE events AS
WITH erasures AS (
    SELECT deal_id, max(coalesce(at_us, getvariable('now_us')) // 1000 * 1000 + 999) AS until_us
    FROM parsed WHERE type = 'deal_erased' AND of_a_deal AND (at_us // 1000 <= getvariable('now_us') // 1000 OR kind_of(j, 'occurred_at') = 'NULL') GROUP BY deal_id
)
SELECT deal_id, event_id, at_us, CASE WHEN type = 'stage_changed' THEN rank END AS rank,
    CASE WHEN type = 'activity_recorded' THEN j->>'activity' END AS activity, coalesce(given(j, 'outcome'), 'held') AS held, pipeline,
    meant(a, 'channel') AS channel, meant(a, 'source') AS source, meant(a, 'contact_trigger') AS contact_trigger,
    meant(a, 'product') AS product, meant(a, 'industry') AS industry, meant(a, 'segment') AS segment,
    meant(a, 'owner') AS owner, meant(a, 'closing_document') AS closing_document, given(a, 'lost_reason') AS lost_reason,
    given_texts(a, 'problems') AS problems, given_texts(a, 'desired_outcomes') AS desired_outcomes,
    CASE WHEN a IS NOT NULL AND amount IS NOT NULL THEN {'minor': amount, 'currency': currency} END AS amount,
    CASE WHEN cost IS NOT NULL THEN {'minor': cost, 'currency': currency} END AS cost,
    nearest(try_cast(score_text AS DECIMAL(38, 18)) * 1000000) AS score,
    instant(a->>'first_touch_at') AS first_touch_at, instant(a->>'offer_requested_at') AS offer_requested_at,
    [if(name = 'currency', 'amount', name) FOR name IN coalesce(given_texts(a, 'cleared'), []) IF name <> 'pipeline'] AS cleared
FROM seen LEFT JOIN erasures USING (deal_id)
WHERE type <> 'spend_recorded' AND coalesce(at_us > until_us, true)
QUALIFY row_number() OVER (PARTITION BY deal_id, event_id ORDER BY pos) = 1;

CREATE TABLE spends AS
SELECT coalesce(left(pipeline, 120), 'default') AS pipeline, j->>'channel' AS channel, at_us, amount, currency, period_start, period_end
FROM seen WHERE type = 'spend_recorded'
QUALIFY row_number() OVER (PARTITION BY j->>'channel', event_id ORDER BY pos) = 1;
