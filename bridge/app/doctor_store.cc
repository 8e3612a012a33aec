#include "bridge/app/bridge.h"
#include "bridge/app/console.h"
#include "bridge/app/doctor.h"
#include "bridge/app/marker_key.h"
#include "bridge/base/limits.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/time.h"
#include "bridge/services/keys.h"
#include "bridge/services/packets.h"
#include "bridge/services/session_watch.h"
#include "bridge/store/survey.h"

#include <array>
#include <cstdio>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

namespace fs = std::filesystem;
using base::Result;

constexpr std::uint64_t mebibyte = 1u << 20;
constexpr std::int64_t audit_tail_entries = 1000;
// Between this machine's calendar and the newest entry, before it is worth a word.
constexpr auto clock_slack = std::chrono::seconds(5);

std::string days_and_hours(base::WallTime::duration time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

Finding check_key(const fs::path& file, std::string_view use) {
  const std::string what = file.filename().string();
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) {
    return {what, Health::note, "not made yet", "the first command that needs it makes it"};
  }
  if (info.st_uid != ::geteuid()) {
    return {what, Health::bad, fmt::format("{} belongs to another user", file.string()),
            fmt::format("run flywheel as that user, or chown the state directory")};
  }
  if ((info.st_mode & 077) != 0) {
    return {what, Health::bad, fmt::format("{} is open to other users", file.string()),
            fmt::format("chmod 600 {}; if others use this machine, make a new one", file.string())};
  }
  return {what, Health::ok, std::string(use)};
}

// Without it, or with another, nothing is started.
Finding check_marker(const Config& config) {
  const auto fits = check_marker_key(config.state, config.store);
  if (!fits && fits.error().reason == "configuration") {
    return {"marker.key", Health::bad, fits.error().message, "put back the one of the backup"};
  }
  return check_key(config.state / "marker.key", "signs the markers of messages");
}

Finding check_disk(const Config& config, const store::Survey& found) {
  const std::string free = fmt::format("{} MiB free", found.disk_free / mebibyte);
  const std::string folder = fs::path(config.store).parent_path().string();
  if (found.disk_free < 2 * limits::store_ballast_bytes) {
    return {"disk", Health::bad, fmt::format("{} in {}: soon nothing can be written", free, folder),
            "make room; the daemon goes on by itself"};
  }
  if (!found.has_ballast && found.holder) {
    return {"disk", Health::note,
            fmt::format("{}; the space kept for emergencies was given away", free),
            "make room; it is taken again by itself"};
  }
  if (found.disk_free < 1024 * mebibyte) {
    return {"disk", Health::note, fmt::format("{} in {}", free, folder), "make room soon"};
  }
  return {"disk", Health::ok, free};
}

Finding check_schema(const store::Survey& found) {
  std::map<std::string, std::int64_t, std::less<>> known{{"store", 1}};
  for (const auto& step : bridge_migrations()) known[std::string(step.component)] = step.version;
  int behind = 0;
  for (const auto& [component, version] : known) {
    const auto has = found.versions.find(component);
    behind += has == found.versions.end() || has->second < version ? 1 : 0;
  }
  for (const auto& [component, version] : found.versions) {
    const auto own = known.find(component);
    if (own != known.end() && version <= own->second) continue;
    return {"schema", Health::bad,
            fmt::format("{} has version {}, this program knows {}", component, version,
                        own == known.end() ? 0 : own->second),
            "use the newer program, or restore a backup from before"};
  }
  if (behind > 0) {
    return {"schema", Health::note, fmt::format("{} parts are older than this program", behind),
            "flywheel backup first; the next start brings them up to date"};
  }
  return {"schema", Health::ok, fmt::format("up to date, generation {}", found.generation)};
}

// Whether what the last checkpoint vouches for is still there.
Result<std::string> cut_off(store::Tx& tx, const engine::Journal& journal, std::int64_t last) {
  TRY(const auto note, journal.last_checkpoint(tx));
  if (!note) return std::string();
  TRY(const auto signed_then, engine::Checkpoint::parse(note->substr(0, note->find("\n\n") + 1)));
  if (signed_then.size <= last) return std::string();
  return fmt::format("the last checkpoint vouches for {} entries, and {} are there",
                     signed_then.size, last);
}

Result<Findings> check_journal(store::Tx& tx, base::WallTime now) {
  const engine::Journal journal;
  TRY(const auto last, journal.last(tx));
  if (last == 0) return Findings{{"audit", Health::ok, "the journal is empty"}};
  TRY(const auto missing, cut_off(tx, journal, last));
  TRY(auto progress, journal.resume_from(tx, std::max<std::int64_t>(0, last - audit_tail_entries)));
  while (!progress.is_finished && !progress.broken) {
    TRY_OK(journal.verify(tx, progress, {}, limits::audit_verify_entries));
  }
  Findings found;
  const std::string keep =
      "keep a copy of the store and of this output, and restore a backup from before";
  if (!missing.empty()) {
    found.push_back({"audit", Health::bad, missing, keep});
  } else if (progress.broken) {
    found.push_back(
        {"audit", Health::bad, fmt::format("entry {}: {}", *progress.broken, progress.why), keep});
  } else {
    found.push_back({"audit", Health::ok,
                     fmt::format("{} entries, the newest {} are chained (all: flywheel audit "
                                 "verify)",
                                 last, std::min(last, audit_tail_entries))});
  }
  TRY(const auto newest, journal.get(tx, last));
  if (newest.time > now + clock_slack) {
    found.push_back({"clock", Health::bad,
                     fmt::format("{} is {} before the newest entry", base::rfc3339(now),
                                 days_and_hours(newest.time - now)),
                     "set the clock (timedatectl); deadlines and schedules follow it"});
  } else {
    found.push_back({"clock", Health::ok, base::rfc3339(now)});
  }
  return found;
}

Result<Findings> check_work(store::Tx& tx) {
  std::map<std::string, std::int64_t> jobs;
  TRY(const auto rows, tx.query("SELECT state, COUNT(*) FROM jobs "
                                "WHERE state IN ('queued', 'running', 'held') "
                                "AND parent IS NULL GROUP BY state"));
  for (const auto& row : rows) jobs[row[0].text()] = row[1].integer();
  TRY(const auto actions,
      tx.query_one("SELECT COUNT(*) FROM jobs WHERE state = 'held' AND kind = 'action'"));
  const std::int64_t held_actions = actions->at(0).integer();
  jobs["held"] -= held_actions;
  Findings found;
  if (held_actions > 0) {
    found.push_back({"held actions", Health::note,
                     fmt::format("{} may have been done, and only a person can tell", held_actions),
                     "flywheel action approvals --is held; flywheel action resolve ID"});
  }
  if (jobs["held"] > 0) {
    found.push_back({"held packets", Health::note,
                     fmt::format("{} may have been sent, and only a person can tell", jobs["held"]),
                     "flywheel packet list --is held; look into the conversation; flywheel packet "
                     "resolve ID"});
  }
  TRY(const auto everything, tx.query_one("SELECT reason FROM engine_pause WHERE id = 1"));
  if (everything) {
    found.push_back({"queue", Health::note, "everything is paused: " + everything->at(0).text(),
                     "flywheel queue resume"});
  }
  TRY(const auto paused,
      tx.query("SELECT paused, id FROM lanes WHERE paused <> '' AND retired = 0"));
  for (const auto& lane : paused) {
    found.push_back(
        {"queue", Health::note, lane[0].text(), "flywheel queue resume --lane " + lane[1].text()});
  }
  if (paused.empty() && !everything) {
    found.push_back({"queue", Health::ok,
                     fmt::format("{} queued, {} running", jobs["queued"], jobs["running"])});
  }
  return found;
}

// What the daemon that has the store open refuses, the next start replaces.
Result<Findings> check_admin_key(store::Tx& tx, const Config& config, const store::Survey& store,
                                 base::WallTime now) {
  const auto trouble = services::admin_key_trouble(tx, config.state / "admin.key", now);
  // That it cannot be read is said of the file.
  if (!trouble && trouble.error().code != base::Code::internal) return Findings{};
  if (!trouble) return std::unexpected(trouble.error());
  if (trouble->empty()) return Findings{};
  return Findings{{"admin key", store.holder ? Health::bad : Health::note,
                   "the key in admin.key " + *trouble,
                   "start the daemon again: it puts a good one there"}};
}

// What keeps packets or queries from being sent.
Result<Findings> check_breakers(store::Tx& tx, const Config& config) {
  const base::SystemClock clock;
  TRY(const auto open,
      engine::open_breakers(tx, engine::Timeline(clock, engine::system_boot_id()).now()));
  Findings found;
  for (const auto& one : open) {
    if (one.account != account_of(config)) continue;
    const bool is_own = !one.lane || *one.lane == services::lane_of(config.crt_url);
    const bool is_bad = is_own && services::waits_for_evidence(one);
    found.push_back({"breaker", is_bad ? Health::bad : Health::note,
                     fmt::format("{}{} since {}: {}", one.lane ? one.lane->text + " " : "",
                                 engine::name(*one.breaker.trip), base::rfc3339(one.breaker.since),
                                 one.breaker.detail),
                     services::advice(one)});
  }
  return found;
}

void append(Findings& all, Findings more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Findings check_files(const Config& config) {
  Findings found;
  struct stat info{};
  const std::string folder = config.state.string();
  if (::stat(folder.c_str(), &info) != 0) {
    return {{"state directory", Health::note, folder + " does not exist yet",
             "the first command that needs it makes it"}};
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    found.push_back({"state directory", Health::bad, folder + " is not writable",
                     "give it to this user, or name another with --state"});
    return found;
  }
  if ((info.st_mode & 077) != 0) {
    found.push_back({"state directory", Health::bad, folder + " is open to other users",
                     "chmod 700 " + folder});
  } else {
    found.push_back({"state directory", Health::ok, folder});
  }
  found.push_back(check_marker(config));
  found.push_back(check_key(config.state / "audit.key", "signs the checkpoints of the journal"));
  found.push_back(check_key(config.state / "admin.key", "lets this user ask the daemon"));
  return found;
}

Findings check_store(const Config& config, base::WallTime now) {
  const auto survey = store::survey(config.store);
  if (!survey && survey.error().code == base::Code::not_found) {
    return {{"store", Health::note, config.store + " does not exist yet",
             "flywheel serve or flywheel send makes it"}};
  }
  if (!survey) {
    return {{"store", Health::bad, survey.error().message,
             "flywheel restore puts a backup in its place and keeps what is there"}};
  }
  Findings found{{"store", Health::ok,
                  fmt::format("{}, {} MiB, {}", config.store, survey->bytes / mebibyte,
                              survey->holder ? "open in " + *survey->holder : "open nowhere")}};
  found.push_back(check_disk(config, *survey));
  found.push_back(check_schema(*survey));
  if (found.back().health != Health::ok) return found;
  const auto looked = store::look_into(config.store, [&](store::Tx& tx) -> Result<> {
    TRY(auto journal, check_journal(tx, now));
    append(found, std::move(journal));
    TRY(auto work, check_work(tx));
    append(found, std::move(work));
    TRY(auto key, check_admin_key(tx, config, *survey, now));
    append(found, std::move(key));
    TRY(auto breakers, check_breakers(tx, config));
    append(found, std::move(breakers));
    return {};
  });
  if (!looked) {
    found.push_back({"store", Health::bad, looked.error().message,
                     "flywheel restore puts a backup in its place and keeps what is there"});
  }
  return found;
}

Findings check_service_unit() {
  if (::access("/run/systemd/system", F_OK) != 0) {
    return {{"service", Health::note, "systemd does not run here",
             "see to it that something starts flywheel serve again"}};
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> output(
      ::popen("systemctl show flywheel.service -p LoadState,ActiveState,NRestarts 2>/dev/null",
              "r"),
      ::pclose);
  std::map<std::string, std::string> values;
  std::array<char, 256> line{};
  for (int i = 0; i < 10 && output && std::fgets(line.data(), line.size(), output.get()); ++i) {
    std::string text(line.data());
    while (text.ends_with('\n')) text.pop_back();
    const auto equals = std::min(text.find('='), text.size());
    values[text.substr(0, equals)] = text.substr(std::min(equals + 1, text.size()));
  }
  const std::string& active = values["ActiveState"];
  if (values["LoadState"].empty()) {
    return {{"service", Health::note, "systemd did not answer about flywheel.service",
             "systemctl status flywheel, as root"}};
  }
  if (values["LoadState"] != "loaded") {
    return {{"service", Health::note, "flywheel.service is not installed",
             "cmake --install puts the units where systemd finds them"}};
  }
  if (active == "failed") {
    return {{"service", Health::bad, "flywheel.service has failed",
             "journalctl -u flywheel -n 50; then systemctl restart flywheel"}};
  }
  return {{"service", active == "active" ? Health::ok : Health::note,
           fmt::format("flywheel.service is {}, restarted {} times", active, values["NRestarts"]),
           active == "active" ? "" : "systemctl enable --now flywheel"}};
}

}  // namespace app
