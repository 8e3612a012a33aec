#include "bridge/app/daemon_file.h"

#include "bridge/app/console.h"
#include "bridge/base/json.h"
#include "bridge/store/lock_file.h"
#include "cdp/json_text.h"

#include <boost/json/serialize.hpp>
#include <sys/stat.h>

namespace app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr std::size_t daemon_file_bytes_max = 4096;

fs::path file_in(const fs::path& state) { return state / "daemon.json"; }

// Whether the daemon lives. On a full disk it could not say that the lock is its own.
bool holds_its_store(const DaemonFile& daemon) {
  const auto holder = store::LockFile::holder(daemon.store + ".lock");
  return holder && (holder->pid == daemon.pid || holder->pid == 0);
}

std::optional<DaemonFile> read(const fs::path& state) {
  const auto text = read_file(file_in(state), daemon_file_bytes_max);
  if (!text) return std::nullopt;
  const auto value = base::parse_json(*text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  DaemonFile daemon{.url = cdp::text_in(object, "url"),
                    .incarnation = cdp::text_in(object, "incarnation"),
                    .store = cdp::text_in(object, "store"),
                    .attached = cdp::text_in(object, "attached"),
                    .certificate = cdp::text_in(object, "certificate")};
  if (const auto* pid = object.if_contains("pid"); pid && pid->is_int64()) {
    daemon.pid = static_cast<int>(pid->get_int64());
  }
  return daemon;
}

}  // namespace

base::Result<> write_daemon_file(const fs::path& state, const DaemonFile& daemon) {
  std::error_code error;
  const auto certificate =
      daemon.certificate.empty() ? fs::path() : fs::absolute(daemon.certificate, error);
  const json::object object{{"url", daemon.url},
                            {"pid", daemon.pid},
                            {"incarnation", daemon.incarnation},
                            {"store", fs::absolute(daemon.store, error).string()},
                            {"attached", daemon.attached},
                            {"certificate", certificate.string()}};
  TRY_OK(write_file(file_in(state), json::serialize(object) + "\n"));
  ::chmod(file_in(state).c_str(), 0600);
  return {};
}

std::optional<DaemonFile> read_daemon_file(const fs::path& state) {
  auto daemon = read(state);
  if (!daemon || daemon->url.empty() || !holds_its_store(*daemon)) return std::nullopt;
  return daemon;
}

void remove_daemon_file(const fs::path& state, const std::string& incarnation) {
  const auto daemon = read(state);
  if (!daemon || daemon->incarnation != incarnation) return;
  std::error_code ignored;
  fs::remove(file_in(state), ignored);
}

}  // namespace app
