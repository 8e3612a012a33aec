// Every bound of the program in one place. Sizes are bytes, times carry their unit in the name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace limits {

using namespace std::chrono_literals;

// JSON from outside.
inline constexpr std::size_t json_depth_max = 64;
inline constexpr std::size_t packet_bytes_max = 1u << 20;
inline constexpr std::size_t reply_bytes_max = 8u << 20;

// Prompts and replies.
inline constexpr std::size_t prompt_bytes_max = 4u << 20;
inline constexpr std::size_t message_types_max = 1000;
inline constexpr std::size_t reply_objects_max = 512;
inline constexpr std::size_t reply_blocks_max = 512;
inline constexpr std::size_t markdown_depth_max = 32;  // quotes and lists inside of one another
inline constexpr std::size_t marker_line_bytes_max = 256;
inline constexpr std::size_t finish_reads_max = 8;  // of a whole reply while it grows
// What may stand behind the end marker on its line and below it.
inline constexpr std::size_t end_marker_slack = 256;
inline constexpr std::size_t repair_violations_max = 20;
inline constexpr std::size_t repair_detail_bytes_max = 300;

// Reading the page's streams.
inline constexpr std::size_t sse_event_bytes_max = 16u << 20;
inline constexpr std::size_t stream_messages_max = 4096;
inline constexpr std::size_t stream_bytes_max = 64u << 20;
inline constexpr int delta_depth_max = 8;
inline constexpr std::size_t watched_requests_max = 256;
inline constexpr std::size_t watched_posts_max = 16;
inline constexpr std::size_t conversation_messages_max = 100'000;

// Driving the page.
inline constexpr auto page_call = 15s;
inline constexpr auto page_insert = 45s;  // editors are slow with many lines
// Between two looks at the page while its stream is read as well.
inline constexpr auto page_glance = std::chrono::milliseconds(1000);
inline constexpr auto page_wait_slice = 20s;  // one wait inside the page
inline constexpr auto unknown_page_grace = 10s;
inline constexpr auto notice_grows_old = 60s;  // then the page is loaded anew to ask again
inline constexpr auto guard_up = 60s;
inline constexpr auto click_deadline = 3s;
inline constexpr auto post_appears = 15s;
inline constexpr auto send_proven = 120s;        // from the insertion to the server's yes
inline constexpr auto text_given_back = 1500ms;  // a refused text returns into the composer
inline constexpr auto chat_named = 5s;           // a new chat gets its address
inline constexpr auto reply_silence = 5min;      // then the answer is looked for afresh
inline constexpr auto turn_ends = 3s;  // between the stream's end and the page's own signs
inline constexpr auto readback_appears = 10s;
inline constexpr auto readback_look = 1s;  // then the page is asked what stands in the way
inline constexpr auto readback_pause = 5s;
inline constexpr auto readback_pause_max = 60s;  // of an answer still being written: they double
inline constexpr int readbacks_max = 4;          // that found nothing which might still grow
inline constexpr auto exchange_settles = 30s;
inline constexpr int turns_searched_max = 200;

// Keeping the browser and its tabs.
inline constexpr auto browser_backoff_min = 500ms;
inline constexpr auto browser_backoff_max = 60s;
inline constexpr auto browser_is_steady = 60s;  // then the crashes before are forgotten
inline constexpr auto browser_ping_pause = 15s;
inline constexpr auto browser_ping = 20s;
inline constexpr std::size_t tabs_max = 64;
inline constexpr auto page_grows_old = 24h;  // then it is loaded anew before it is used again
inline constexpr int tab_crashes_max = 3;    // in a row; then the browser is started anew
inline constexpr auto watch_pause = 400ms;   // between two looks at a page that changes
inline constexpr auto page_settles = 60s;    // then a page that is still being built is reported
inline constexpr auto check_settles = 20s;
inline constexpr auto limit_check_pause = 15min;        // while the provider's limit is reached
inline constexpr auto window_waits = 60s;               // for conversations in use to end
inline constexpr auto inspection = 60s;                 // one look at a page, with its opening
inline constexpr std::size_t doubted_pages_opened = 3;  // by one check, besides those that are open
inline constexpr auto doubted_page = 30s;               // one of them, with its opening
inline constexpr int turns_inspected = 100;
inline constexpr auto sign_in_max = 30min;  // then the window for it closes
inline constexpr auto sign_in_look = 1s;

// Finding out what became of a message: looks after the old page died, each a fresh load.
inline constexpr auto reconcile_first = 10s;
inline constexpr auto reconcile_second = 30s;
// How long a claimed job may wait for its account's pace before it goes back into the queue.
inline constexpr auto waits_to_arm = 60s;
// Between asking for "armed" and the click: later the lease and the limits may be those of another.
inline constexpr auto armed_is_fresh = 5s;
// The least pause after the provider said that it was too much.
inline constexpr auto pause_after_limit = 15min;
// Failures of one packet in a row that are nobody's fault, each followed by a longer pause.
inline constexpr int packet_failures_max = 20;
// Of a network or browser that is away: so many looks in a row come without a rest between them.
inline constexpr int away_looks = 4;
inline constexpr auto away_rest_min = 15s;  // then each is twice as long as the one before
inline constexpr auto away_rest_max = 2min;

// The daemon.
inline constexpr auto stops = 9s;           // all of it, by one deadline; the rest of 10 is slack
inline constexpr auto http_stops = 2s;      // … of that: requests that run may still end
inline constexpr auto browser_closes = 3s;  // … that the lanes leave: it saves its profile
inline constexpr auto browser_dies = 2s;    // … that this leaves: one that did not close is killed
inline constexpr auto loose_ends = 300ms;   // after a story: what it left may still end by itself
inline constexpr auto start_tail = 5s;      // until what starting used is not wanted again
inline constexpr auto drain_look = 1s;      // between looks at what a daemon has left to do
inline constexpr auto daemon_ends = 60s;    // once it does not answer any more
inline constexpr auto daemon_returns = 2min;  // for who waits while it is started anew
inline constexpr auto daemon_look = 1s;       // between looks whether it has
inline constexpr auto house_pause = 30s;      // between looks at deadlines and checkpoints
inline constexpr auto session_doubt = 60s;    // between looks at a session that says nothing
// Of what the journal tells of the session.
inline constexpr auto session_change_lasts = 60s;  // what may pass by itself is told after this
inline constexpr int session_changes_max = 12;     // … that are told within session_changes_period
inline constexpr auto session_changes_period = 1h;
inline constexpr std::size_t session_evidence_bytes_max = 500;

// Commands.
inline constexpr int links_followed_max = 40;  // from the name of a file to the file
inline constexpr std::chrono::seconds session_cookie_kept = 30 * 24h;  // of an imported session

// Schema. Depths count levels, steps roughly one schema, item or member visited.
inline constexpr std::size_t schema_document_depth_max = 128;
inline constexpr std::size_t schema_document_values_max = 500'000;
inline constexpr std::size_t schema_nodes_max = 100'000;
inline constexpr std::size_t schema_place_bytes_max = 64u << 20;  // of the pointers to all of them
inline constexpr std::size_t schema_evaluation_depth_max = 400;
inline constexpr std::uint64_t schema_steps_max = 10'000'000;
inline constexpr std::size_t schema_violations_max = 1000;
inline constexpr std::size_t schema_annotations_max = 100'000;
inline constexpr std::size_t schema_files_max = 10'000;
inline constexpr std::size_t schema_file_bytes_max = 8u << 20;
inline constexpr std::size_t pattern_bytes_max = 4096;
inline constexpr std::size_t pattern_group_depth_max = 100;
inline constexpr std::uint32_t pattern_match_steps_max = 1'000'000;
inline constexpr std::uint32_t pattern_backtrack_depth_max = 100'000;
inline constexpr std::uint32_t pattern_heap_kib_max = 16 * 1024;

// Store.
inline constexpr std::size_t store_group_max = 256;       // transactions in one commit
inline constexpr std::size_t store_group_min = 32;        // unless fewer wait
inline constexpr std::size_t store_waiting_max = 65'536;  // transactions that wait
inline constexpr std::size_t store_rows_max = 100'000;    // of one statement
// With which a part of a list ends: it is made, sent and looked at as one.
inline constexpr std::size_t list_part_bytes = 4u << 20;
inline constexpr std::size_t store_statements_max = 512;  // kept prepared on a connection
inline constexpr std::size_t store_value_bytes_max = 256u << 20;
inline constexpr int store_log_pages_max = 2000;  // then they are copied into the database
inline constexpr int store_log_growth_max = 8;    // times as many: then readers are waited for
inline constexpr auto store_readers = 100ms;      // so long
inline constexpr int store_backup_pages = 1024;   // copied at a time
inline constexpr int store_check_steps = 10'000;  // of SQLite's, before it is asked whether to stop
inline constexpr std::size_t store_ballast_bytes = 16u << 20;
inline constexpr std::size_t store_lock_bytes_max = 1024;
inline constexpr auto store_busy = 5s;  // another program holds the database's own lock

// HTTP.
inline constexpr std::size_t http_head_bytes_max = 16u << 10;
inline constexpr std::size_t http_headers_max = 100;
inline constexpr std::size_t http_target_bytes_max = 8u << 10;
inline constexpr std::size_t http_body_bytes_max = 1u << 20;
inline constexpr std::size_t http_path_segments_max = 32;
inline constexpr std::size_t http_read_bytes = 8u << 10;
inline constexpr int http_reads_at_once = 32;  // then others have their turn, and deadlines
inline constexpr std::size_t http_buffer_bytes_kept_max = 64u << 10;
inline constexpr std::size_t http_buffers_kept_max = 256;
inline constexpr std::size_t http_body_bytes_per_second_min = 1u << 10;
inline constexpr std::size_t http_write_bytes_at_once = 256u << 10;
inline constexpr auto http_head_time = 10s;
inline constexpr auto http_body_time = 10s;  // plus the body's bytes at the minimum rate
inline constexpr auto http_idle_time = 60s;
inline constexpr auto http_write_stall = 30s;
inline constexpr auto http_sweep = 1s;              // how exact the times above are
inline constexpr auto http_certificate_look = 60s;  // between looks whether it was renewed
inline constexpr auto http_wait_max = 40s;
inline constexpr std::size_t http_connections_max = 16'384;
inline constexpr std::size_t http_connections_per_address_max = 12'288;
inline constexpr int http_accepts_pending = 4096;
// For what is no connection of a caller: the store, the browser, programs, whoever is called.
inline constexpr std::size_t open_files_reserved = 1024;
inline constexpr std::size_t http_page_default = 50;
inline constexpr std::size_t http_page_max = 500;
inline constexpr std::size_t http_cursor_bytes_max = 1024;
inline constexpr std::size_t http_rate_keys_max = 10'000;
inline constexpr std::size_t http_keys_remembered_max = 1024;
inline constexpr auto http_key_remembered = 5s;
inline constexpr std::uint32_t http_auth_failures = 20;  // at once and per window, by address
inline constexpr auto http_auth_failures_window = 60s;
inline constexpr auto http_event_comment = 15s;
inline constexpr auto http_event_retry = 3s;  // what readers are told to wait before they reconnect
inline constexpr std::size_t http_event_batch_max = 256;
inline constexpr std::size_t http_event_feed_max = 4096;
inline constexpr std::size_t http_event_feed_bytes_max = 8u << 20;
inline constexpr std::size_t idempotency_key_bytes_max = 255;
inline constexpr int audit_verify_entries = 5000;  // looked at in one transaction
inline constexpr std::chrono::seconds packet_deadline_max = 31 * 24h;  // not sent later
inline constexpr std::size_t http_lookups_max = 16;                    // of names, at once
inline constexpr std::size_t http_reply_bytes_max = 64u << 20;         // to our own client
inline constexpr std::size_t http_key_file_bytes_max = 64u << 10;
inline constexpr std::size_t jwt_bytes_max = 8u << 10;
inline constexpr std::size_t jwt_depth_max = 8;
inline constexpr auto jwt_leeway = 30s;
inline constexpr std::size_t jwt_secret_bytes_min = 32;
inline constexpr int jwt_rsa_bits_min = 2048;
inline constexpr int jwt_rsa_bits_max = 8192;

// The engine: jobs, lanes and the journal.
inline constexpr auto clock_step = 1h;    // the calendar is trusted to within this over a reboot
inline constexpr auto band_ages = 10min;  // a job's wait that weighs as much as one band
inline constexpr int job_cost_max = 16;
inline constexpr std::size_t job_text_bytes_max = 8u << 20;  // payload or result
inline constexpr std::size_t id_prefix_min = 4;              // of what stands for an id
inline constexpr std::size_t ids_looked_at_max = 1000;       // that begin so, of all sorts of jobs
inline constexpr std::size_t name_bytes_max = 512;  // kinds, lanes, senders, keys, subjects
inline constexpr std::size_t error_detail_bytes_max = 4096;
inline constexpr int list_max = 500;
inline constexpr int children_max = 16;
inline constexpr int expired_at_once = 1000;
inline constexpr auto sends_remembered = 31 * 24h;
inline constexpr int cap_count_max = 10'000;
inline constexpr std::size_t entry_bytes_max = 64u << 10;
inline constexpr int journal_scan_max = 10'000;
inline constexpr std::size_t journal_tail_max = 4096;
inline constexpr int follow_entries_max = 256;
inline constexpr int checkpoint_entries = 1000;
inline constexpr auto checkpoint_period = 1h;
inline constexpr std::size_t note_bytes_max = 4096;
inline constexpr auto runner_retries_store = 1s;  // first step of the backoff
inline constexpr auto runner_retries_store_max = 30s;

// Schedules.
inline constexpr std::size_t cron_bytes_max = 1000;
inline constexpr std::size_t zone_name_bytes_max = 64;
inline constexpr std::chrono::seconds schedule_interval_min = 1s;
inline constexpr std::chrono::seconds schedule_interval_max = 24h * 366;
inline constexpr int schedules_max = 200;
inline constexpr int schedule_runs_kept = 50;     // of each
inline constexpr auto schedule_look = 30s;        // between looks at a calendar that may step
inline constexpr auto schedule_check = 5min;      // for one look at the session
inline constexpr auto schedule_delay_max = 5min;  // while the queue is full

// Beads.
inline constexpr std::size_t beads_file_bytes_max = 256u << 20;
inline constexpr std::size_t bead_line_bytes_max = 8u << 20;
inline constexpr std::size_t beads_max = 500'000;
inline constexpr std::size_t bead_id_bytes_max = 1024;
inline constexpr int beads_reads_max = 8;  // while the file changes under the reader
inline constexpr std::size_t stored_packet_bytes_max = 32u << 20;  // indented for people
inline constexpr std::size_t bead_exchanges_max = 10'000;          // stored with one bead
inline constexpr std::size_t watch_state_bytes_max = 64u << 20;
inline constexpr auto beads_settle = 100ms;  // after a write that has not closed the file
inline constexpr int beads_settles_max = 20;

}  // namespace limits
