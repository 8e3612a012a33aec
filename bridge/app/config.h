// The configuration of a project's bridge: .flywheel/chatgpt.json.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/chat/chat_page.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

namespace app {

using chat::DraftPolicy;

// Every member has its value, from the file or by default. Paths are absolute, or as the user wrote
// them if there is no project. The meaning of each is described in schemas/config.schema.json.
struct Config {
  std::filesystem::path file;
  std::filesystem::path project;

  std::string crt_url;
  std::string mcp_server;
  std::string writer_agent;

  std::string listen;
  std::filesystem::path state;
  std::string store;  // the path of an SQLite file
  std::vector<std::string> senders;
  DraftPolicy draft = DraftPolicy::stop;
  std::filesystem::path page_profiles;
  std::filesystem::path message_types;  // of one's own; may be missing

  struct Browser {
    std::filesystem::path executable;  // empty: the first found
    std::filesystem::path profile_dir;
    bool is_headless = false;
    int window_width = 0;
    int window_height = 0;
  } browser;

  struct Timeouts {
    std::chrono::seconds start, ready, send, reply, silence;
  } timeouts{};

  struct Limits {
    int sends_per_window = 0;
    std::chrono::seconds window{};
    std::chrono::seconds pause{};
    int queue = 0;
    int repairs = 0;
    std::chrono::seconds cooldown{};
    int parallel = 0;
  } limits;

  struct Http {
    std::vector<std::string> hosts;
    std::vector<std::string> origins;
    std::filesystem::path certificate, key;  // empty: no TLS
    boost::json::array jwt;                  // issuers, with absolute key files
  } http;

  struct Agents {
    std::chrono::seconds active{}, degraded{};
    int requests_per_minute = 0;      // of one; 0: no limit
    std::filesystem::path catalogue;  // may be missing
  } agents;

  struct Webhooks {
    std::vector<std::string> allow_private;  // networks
    bool needs_handshake = false;
    std::filesystem::path authority;  // empty: the system's
  } webhooks;

  struct Session {
    std::chrono::seconds check_pause{};
    bool screenshots = false;
  } session;
  base::json::object actions;  // by name, as configured
};

// Why no URL is taken for a store.
inline constexpr std::string_view store_is_a_path =
    "only the path of an SQLite file is understood, no URL";
bool is_url(std::string_view store);

// From the text of a configuration file; of none, `file` is empty. invalid: every violation, each
// with its JSON Pointer; an unknown key names the nearest known one.
base::Result<Config> parse_config(std::string_view text, const std::filesystem::path& file);

base::Result<Config> load_config(const std::filesystem::path& file);

// Another state directory than the file's. The store and the browser's profile move with it, but
// for one that the file puts elsewhere. Nothing is moved on the disk.
void set_state(Config& config, const std::filesystem::path& state);

// `given` if there is one, else .flywheel/chatgpt.json in the nearest project from `start` upward.
// not_found says where was looked and what a configuration needs.
base::Result<Config> find_config(const std::optional<std::filesystem::path>& given,
                                 const std::filesystem::path& start);

}  // namespace app
