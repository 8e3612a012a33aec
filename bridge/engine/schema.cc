#include "bridge/engine/schema.h"

namespace engine {
namespace {

// Every index of `jobs` that grows with history is unique or serves a list; what the queue itself
// looks at lies in partial indices over the unfinished.
constexpr std::string_view tables = R"(
CREATE TABLE engine_clock (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot TEXT NOT NULL,
  steady INTEGER NOT NULL,
  wall_at INTEGER NOT NULL,
  engine_et INTEGER NOT NULL
) STRICT;

CREATE TABLE engine_generation (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  generation INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  arrival_et INTEGER NOT NULL DEFAULT 0,
  trip TEXT,
  trip_detail TEXT NOT NULL DEFAULT '',
  trip_at INTEGER NOT NULL DEFAULT 0,
  trip_until_et INTEGER
) STRICT;

CREATE TABLE lanes (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id),
  paused TEXT NOT NULL DEFAULT '',
  epoch INTEGER NOT NULL DEFAULT 0,
  holder TEXT,
  lease_until_et INTEGER NOT NULL DEFAULT 0,
  mean_run_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lanes_account ON lanes (account);
CREATE INDEX lanes_leased ON lanes (holder) WHERE holder IS NOT NULL;

CREATE TABLE lane_bands (
  lane TEXT NOT NULL REFERENCES lanes (id),
  band INTEGER NOT NULL CHECK (band BETWEEN 0 AND 3),
  queued INTEGER NOT NULL CHECK (queued >= 0),
  last_turn INTEGER NOT NULL,
  PRIMARY KEY (lane, band)
) STRICT;

CREATE TABLE turns (
  lane TEXT NOT NULL,
  band INTEGER NOT NULL,
  sender TEXT NOT NULL,
  turn INTEGER NOT NULL,
  saved INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL CHECK (queued >= 0),
  PRIMARY KEY (lane, band, sender)
) STRICT;
CREATE INDEX turns_in_order ON turns (lane, band, turn);

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  lane TEXT NOT NULL REFERENCES lanes (id),
  sender TEXT NOT NULL,
  principal TEXT NOT NULL,
  idempotency_key TEXT,
  body_hash TEXT NOT NULL,
  subject TEXT NOT NULL,
  thread TEXT NOT NULL,
  band INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'held', 'cancelled',
                                       'expired')),
  stage TEXT NOT NULL CHECK (stage IN ('none', 'intent', 'armed', 'sent', 'replied')),
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  doubtful INTEGER NOT NULL,
  in_line INTEGER NOT NULL,
  ready_et INTEGER NOT NULL,
  since_et INTEGER NOT NULL,
  parent TEXT REFERENCES jobs (id),
  deadline_at INTEGER,
  error_code TEXT,
  error_detail TEXT,
  queued_at INTEGER NOT NULL,
  claimed_at INTEGER,
  intent_at INTEGER,
  armed_at INTEGER,
  sent_at INTEGER,
  replied_at INTEGER,
  ended_at INTEGER
) STRICT;
CREATE UNIQUE INDEX jobs_key ON jobs (principal, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_in_line ON jobs (lane, band, sender, seq)
  WHERE state = 'queued' AND in_line = 1;
CREATE INDEX jobs_oldest ON jobs (lane, band, seq) WHERE state = 'queued' AND in_line = 1;
CREATE INDEX jobs_delayed ON jobs (lane, ready_et) WHERE state = 'queued' AND in_line = 0;
CREATE INDEX jobs_expiring ON jobs (deadline_at)
  WHERE state = 'queued' AND deadline_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_held ON jobs (lane) WHERE state = 'held';
CREATE INDEX jobs_unfinished ON jobs (state) WHERE state IN ('queued', 'running', 'held');
CREATE INDEX jobs_parent ON jobs (parent) WHERE parent IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE INDEX jobs_by_sender ON jobs (sender, seq);
CREATE INDEX jobs_by_subject ON jobs (subject, seq) WHERE subject <> '';

CREATE TABLE job_payloads (
  seq INTEGER PRIMARY KEY REFERENCES jobs (seq),
  payload TEXT NOT NULL
) STRICT;
CREATE TABLE job_results (
  seq INTEGER PRIMARY KEY REFERENCES jobs (seq),
  result TEXT NOT NULL
) STRICT;

CREATE TABLE sends (
  seq INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  armed_et INTEGER NOT NULL,
  armed_at INTEGER NOT NULL,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL
) STRICT;
CREATE INDEX sends_of_account ON sends (account, armed_et);

CREATE TABLE journal (
  seq INTEGER PRIMARY KEY,
  time_at INTEGER NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  thread TEXT NOT NULL,
  cause TEXT NOT NULL,
  data TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX journal_by_subject ON journal (subject, seq) WHERE subject <> '';
CREATE INDEX journal_by_thread ON journal (thread, seq) WHERE thread <> '';

CREATE TABLE journal_checkpoints (
  size INTEGER PRIMARY KEY,
  made_at INTEGER NOT NULL,
  root BLOB NOT NULL,
  subtrees BLOB NOT NULL,
  note TEXT NOT NULL
) STRICT
)";

constexpr std::string_view trips_in_engine_time =
    "ALTER TABLE accounts ADD COLUMN trip_et INTEGER NOT NULL DEFAULT 0";

constexpr std::string_view restored_in_engine_time =
    "ALTER TABLE engine_generation ADD COLUMN restored_et INTEGER";

// SQLite makes a table of a list of words each time that IN looks into one, which cost more than
// the rest of the insert. What jobs_unfinished told, jobs_by_state tells as well.
constexpr std::string_view cheap_checks = R"(
CREATE TABLE jobs_anew (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  lane TEXT NOT NULL REFERENCES lanes (id),
  sender TEXT NOT NULL,
  principal TEXT NOT NULL,
  idempotency_key TEXT,
  body_hash TEXT NOT NULL,
  subject TEXT NOT NULL,
  thread TEXT NOT NULL,
  band INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (
    state = 'queued' OR state = 'running' OR state = 'done' OR state = 'failed' OR state = 'held'
    OR state = 'cancelled' OR state = 'expired'),
  stage TEXT NOT NULL CHECK (
    stage = 'none' OR stage = 'intent' OR stage = 'armed' OR stage = 'sent' OR stage = 'replied'),
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  doubtful INTEGER NOT NULL,
  in_line INTEGER NOT NULL,
  ready_et INTEGER NOT NULL,
  since_et INTEGER NOT NULL,
  parent TEXT REFERENCES jobs (id),
  deadline_at INTEGER,
  error_code TEXT,
  error_detail TEXT,
  queued_at INTEGER NOT NULL,
  claimed_at INTEGER,
  intent_at INTEGER,
  armed_at INTEGER,
  sent_at INTEGER,
  replied_at INTEGER,
  ended_at INTEGER
) STRICT;
INSERT INTO jobs_anew SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_anew RENAME TO jobs;
CREATE UNIQUE INDEX jobs_key ON jobs (principal, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_in_line ON jobs (lane, band, sender, seq)
  WHERE state = 'queued' AND in_line = 1;
CREATE INDEX jobs_oldest ON jobs (lane, band, seq) WHERE state = 'queued' AND in_line = 1;
CREATE INDEX jobs_delayed ON jobs (lane, ready_et) WHERE state = 'queued' AND in_line = 0;
CREATE INDEX jobs_expiring ON jobs (deadline_at)
  WHERE state = 'queued' AND deadline_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_held ON jobs (lane) WHERE state = 'held';
CREATE INDEX jobs_parent ON jobs (parent) WHERE parent IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE INDEX jobs_by_sender ON jobs (sender, seq);
CREATE INDEX jobs_by_subject ON jobs (subject, seq) WHERE subject <> ''
)";

// As long as it knows nothing of what a table holds, SQLite takes jobs_by_state before any of
// these, unless they begin with the state as well: then every claim looks at all that is queued.
// See History.AClaimLooksAtNoQueuedJobOfAnotherLane.
constexpr std::string_view preferred_indexes = R"(
DROP INDEX jobs_expiring;
DROP INDEX jobs_running;
DROP INDEX jobs_held;
CREATE INDEX jobs_expiring ON jobs (state, deadline_at)
  WHERE state = 'queued' AND deadline_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (state, lane) WHERE state = 'running';
CREATE INDEX jobs_held ON jobs (state, lane) WHERE state = 'held'
)";

// What one page shows is told of its lane. Where it had closed the whole account, a lane whose page
// still shows it is blocked anew.
constexpr std::string_view lanes_have_pages = R"(
ALTER TABLE lanes ADD COLUMN url TEXT NOT NULL DEFAULT '';
ALTER TABLE lanes ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN blocked TEXT;
ALTER TABLE lanes ADD COLUMN blocked_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN blocked_et INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN trip_url TEXT NOT NULL DEFAULT '';
UPDATE accounts SET trip = NULL, trip_detail = '', trip_until_et = NULL WHERE trip = 'blocked'
)";

// A chat that a job began asks what the page that its lane's jobs begin at does not.
constexpr std::string_view blocks_have_pages = R"(
ALTER TABLE lanes ADD COLUMN blocked_url TEXT NOT NULL DEFAULT '';
UPDATE lanes SET blocked_url = url WHERE blocked IS NOT NULL
)";

// Names change: lists of what an agent has sent go by its id, which a payload begins with.
constexpr std::string_view agents_have_lists = R"(
CREATE INDEX payloads_of_agents ON job_payloads (substr(payload, 11, 36))
  WHERE substr(payload, 1, 10) = '{"agent":"'
)";

// Of lanes that are made later, too: no row of theirs can say it.
constexpr std::string_view everything_pauses = R"(
CREATE TABLE engine_pause (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  reason TEXT NOT NULL CHECK (reason <> '')
) STRICT
)";

// Before that, to pause everything was to pause all lanes there were, for one reason.
constexpr std::string_view everything_was_paused = R"(
INSERT INTO engine_pause (id, reason)
  SELECT 1, MIN(paused) FROM lanes
  WHERE retired = 0 AND NOT EXISTS (SELECT 1 FROM engine_pause)
  HAVING MIN(paused) <> '' AND MIN(paused) = MAX(paused);
UPDATE lanes SET paused = '' WHERE paused = (SELECT reason FROM engine_pause WHERE id = 1)
)";

}  // namespace

std::span<const store::Migration> migrations() {
  static const store::Migration all[] = {{"engine", 1, tables},
                                         {"engine", 2, trips_in_engine_time},
                                         {"engine", 3, restored_in_engine_time},
                                         {"engine", 4, cheap_checks},
                                         {"engine", 5, preferred_indexes},
                                         {"engine", 6, lanes_have_pages},
                                         {"engine", 7, blocks_have_pages},
                                         {"engine", 8, agents_have_lists},
                                         {"engine", 9, everything_pauses},
                                         {"engine", 10, everything_was_paused}};
  return all;
}

}  // namespace engine
