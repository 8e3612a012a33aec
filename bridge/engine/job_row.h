// Jobs as rows. Internal to the engine.
#pragma once

#include "bridge/engine/job.h"
#include "bridge/store/store.h"

#include <string>

namespace engine {

// A job with what only the queue needs to know.
struct JobRow : Job {
  bool is_in_line = true;  // false: joins its sender's line when ready
  Milliseconds ready{0};   // engine time
  Milliseconds since{0};   // engine time when it began to wait

  bool is_child() const { return parent.has_value(); }
  // Sent by a person's word alone: nobody has seen it since.
  bool is_only_told() const { return stage == Stage::sent && !timings.sent; }
  // May have been sent, and nothing tells.
  bool is_in_doubt() const { return stage == Stage::armed || is_doubtful || is_only_told(); }
  bool is_certainly_unsent() const { return stage <= Stage::intent && !is_doubtful; }
};

// "SELECT <all columns> FROM jobs " and `rest`.
std::string select_jobs(std::string_view rest);
JobRow job_of(const store::Row& row);

base::Result<std::vector<JobRow>> find_jobs(store::Tx& tx, std::string_view rest,
                                            store::Values values);
// At most one.
base::Result<std::vector<JobRow>> find_jobs_by_key(store::Tx& tx, const std::string& principal,
                                                   const std::string& key);
base::Result<std::optional<JobRow>> find_job(store::Tx& tx, const JobId& id);
// not_found: no such job.
base::Result<JobRow> load_job(store::Tx& tx, const JobId& id);
// Reads payload and result into the job.
base::Result<> load_texts(store::Tx& tx, Job& job);

// A new row; its sequence is set here.
base::Result<> insert_job(store::Tx& tx, JobRow& row, const std::string& payload);
// Compare-and-set: writes what can change if the row is still as `before` in state, stage, attempt
// and epoch; else conflict with reason stale.
base::Result<> update_job(store::Tx& tx, const JobRow& before, const JobRow& after);

}  // namespace engine
