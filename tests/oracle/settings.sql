-- What is configured, as tables that oracle.py fills from the plain dictionary of a funnel.yaml.
-- Lengths are microseconds. The pipeline '' stands for all that have no settings of their own.
--
-- Beside them stand the variables events_path, as_of_us, now_us, activity_horizon_us, retention_us
-- (instants in microseconds since the epoch, UTC), top_n and base_currency.

CREATE TABLE stages AS SELECT * FROM (VALUES
    ('lead', 0), ('qualified', 1), ('potential', 2), ('offer', 3), ('negotiation', 4), ('won', 5),
    ('lost', 6)) t(stage, rank);

-- ISO 4217: currencies that have not two decimals.
CREATE TABLE odd_units AS
SELECT unnest(string_split('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF', ' ')) AS code, 1 AS unit
UNION ALL SELECT unnest(string_split('BHD IQD JOD KWD LYD OMR TND', ' ')), 1000
UNION ALL SELECT unnest(['CLF', 'UYW']), 10000;
-- ISO 4217: codes without minor units. Any other three letters are taken for a currency here.
CREATE TABLE no_currencies AS
SELECT unnest(string_split('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX', ' ')) AS code;

CREATE TABLE pipelines (pipeline VARCHAR);
CREATE TABLE aliases (pipeline VARCHAR, alias VARCHAR, stage VARCHAR);
CREATE TABLE windows ("window" VARCHAR, length BIGINT, pane BIGINT);
CREATE TABLE dimensions (dimension VARCHAR, attribute VARCHAR, position INT);
CREATE TABLE horizons (pipeline VARCHAR, horizon VARCHAR, length BIGINT);
CREATE TABLE stuck_limits (pipeline VARCHAR, stage VARCHAR, length BIGINT);
CREATE TABLE top_n_of (name VARCHAR, n BIGINT);

-- How values are written: other spellings, where case makes no difference, where the first counts.
CREATE TABLE value_aliases (attribute VARCHAR, alias VARCHAR, value VARCHAR);
CREATE TABLE case_folded (attribute VARCHAR);
CREATE TABLE first_touched (attribute VARCHAR);

-- Any white space of Unicode is one space, and none at the ends; casefold is that of Unicode.
CREATE MACRO tidy(s) AS trim(regexp_replace(s, '[\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+', ' ', 'g'), ' ');
CREATE MACRO alike(name, s) AS
    CASE WHEN name IN (SELECT attribute FROM case_folded) THEN casefold(tidy(s)) ELSE tidy(s) END;

-- Texts that count as not given.
CREATE MACRO is_none(name, s) AS alike(name, s) IN (
    SELECT alike(name, text) FROM (SELECT unnest([alias, value]) AS text FROM value_aliases WHERE attribute = name AND tidy(value) = '__none__'));

-- From the day on, top ÷ bottom units of the base currency are worth one unit of the currency.
CREATE TABLE rates (currency VARCHAR, day DATE, top HUGEINT, bottom HUGEINT);

CREATE MACRO settings_of(p) AS CASE WHEN p IN (SELECT pipeline FROM pipelines) THEN p ELSE '' END;
CREATE MACRO shown_of(what) AS
    coalesce((SELECT n FROM top_n_of WHERE name = what), getvariable('top_n'));

-- Half-even rounding of top / bottom (none negative) in integers.
CREATE MACRO half_even(top, bottom) AS top // bottom
    + if(2 * (top % bottom) > bottom OR (2 * (top % bottom) = bottom AND (top // bottom) % 2 = 1), 1, 0);
