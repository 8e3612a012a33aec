#include "bridge/app/config.h"

#include "bridge/app/console.h"
#include "bridge/app/project.h"
#include "bridge/base/json.h"
#include "bridge/base/nearest.h"
#include "bridge/schema/schema.h"
#include "cdp/json_text.h"
#include "embedded/config_schema.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using base::Code;
using base::fail;

constexpr std::size_t config_bytes_max = 1u << 20;

json::value config_schema() {
  auto document = base::parse_json(embedded::config_schema().front().content);
  BRIDGE_ASSERT(document);
  return *std::move(document);
}

// A URL would be taken for the name of a folder.
base::Result<> refuse_url(const json::object& config, const fs::path& file) {
  const auto* bridge = cdp::object_in(config, "bridge");
  if (!bridge || !is_url(cdp::text_in(*bridge, "store"))) return {};
  return fail(Code::invalid, fmt::format("configuration {}:\n  /bridge/store: {}", file.string(),
                                         store_is_a_path));
}

// The schema of this member of an object, or of this item of a list; null: there is none.
const json::object* schema_below(const json::object& schema, std::string_view key) {
  if (const auto* properties = cdp::object_in(schema, "properties")) {
    if (const auto* member = cdp::object_in(*properties, key)) return member;
  }
  const auto* others = cdp::object_in(schema, "additionalProperties");
  return others ? others : cdp::object_in(schema, "items");
}

// The schema of what stands at `pointer`; null: that is written nowhere.
const json::object* schema_at(const json::value& schema, std::string_view pointer) {
  const json::object* at = schema.if_object();
  while (at && !pointer.empty()) {
    const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
    at = schema_below(*at, pointer.substr(1, end - 1));
    pointer.remove_prefix(end);
  }
  return at;
}

std::string unknown_key(const json::value& schema, const std::string& pointer) {
  const std::size_t slash = pointer.rfind('/');
  const std::string key = pointer.substr(slash + 1);
  std::vector<std::string> known;
  const auto* object = schema_at(schema, pointer.substr(0, slash));
  if (const auto* properties = object ? cdp::object_in(*object, "properties") : nullptr) {
    for (const auto& [name, value] : *properties) known.emplace_back(name);
  }
  std::string text = fmt::format("unknown key \"{}\"", key);
  if (const std::string hint = base::suggestion(key, known); !hint.empty()) return text + hint;
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? text : text + "; known are " + names;
}

// A pattern says little to a person: what it is for says more.
std::string misshapen(const json::value& schema, const schema::Violation& violation) {
  const auto* at = schema_at(schema, violation.instance_location);
  const std::string meant = at ? cdp::text_in(*at, "description") : "";
  return meant.empty() ? violation.message : fmt::format("{}: {}", violation.message, meant);
}

std::string line_of(const json::value& schema, const schema::Violation& violation) {
  const std::string& pointer = violation.instance_location;
  const bool is_unknown = violation.keyword == "additionalProperties" && !pointer.empty();
  return fmt::format("{}: {}", pointer.empty() ? "(root)" : pointer,
                     is_unknown                       ? unknown_key(schema, pointer)
                     : violation.keyword == "pattern" ? misshapen(schema, violation)
                                                      : violation.message);
}

base::Result<> check(const json::value& schema, const json::value& config, const fs::path& file) {
  schema::Options options;
  options.assert_format = true;
  TRY(const auto compiled, schema::Schema::compile(schema::Registry(), schema, options));
  TRY(const auto violations, compiled.check(config));
  if (violations.empty()) return {};
  std::string text = fmt::format("configuration {}:", file.string());
  for (const auto& violation : violations) text += "\n  " + line_of(schema, violation);
  return fail(Code::invalid, std::move(text));
}

// Adds what the schema gives a default for and the file leaves out.
void fill_in(const json::object& schema, json::object& config) {
  const json::value* properties = schema.if_contains("properties");
  if (!properties) return;
  for (const auto& [key, member] : properties->get_object()) {
    const json::object& described = member.get_object();
    if (const auto* fallback = described.if_contains("default");
        fallback && !config.contains(key)) {
      config.emplace(key, *fallback);
    }
    if (auto* value = config.if_contains(key); value && value->is_object()) {
      fill_in(described, value->get_object());
    }
  }
}

// Reads members of a checked configuration; a missing one is empty.
class Members {
 public:
  Members(const json::object& object, const fs::path& project)
      : object_(object), project_(project) {}

  Members at(std::string_view key) const { return {object_.at(key).get_object(), project_}; }
  std::string text(std::string_view key) const {
    const json::value* value = object_.if_contains(key);
    return value ? std::string(value->get_string()) : std::string();
  }
  fs::path path(std::string_view key, const fs::path& fallback) const {
    const std::string given = text(key);
    return given.empty() ? fallback : project_ / given;
  }
  int number(std::string_view key) const { return object_.at(key).to_number<int>(); }
  std::chrono::seconds seconds(std::string_view key) const {
    return std::chrono::seconds(number(key));
  }
  bool flag(std::string_view key) const { return object_.at(key).get_bool(); }
  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    if (const json::value* list = object_.if_contains(key)) {
      for (const json::value& item : list->get_array()) out.emplace_back(item.get_string());
    }
    return out;
  }

 private:
  const json::object& object_;
  const fs::path& project_;
};

void read_http(const json::object& object, const Members& bridge, Config& config) {
  config.http.hosts = bridge.texts("hosts");
  config.http.origins = bridge.texts("origins");
  const Members webhooks = bridge.at("webhooks");
  config.webhooks = {webhooks.texts("allow_private"), webhooks.flag("require_handshake"),
                     webhooks.path("authority", {})};
  if (object.contains("tls")) {
    const Members tls = bridge.at("tls");
    config.http.certificate = tls.path("certificate", {});
    config.http.key = tls.path("key", {});
  }
  const auto* issuers = object.at("auth").get_object().if_contains("jwt");
  if (issuers == nullptr) return;
  for (const auto& item : issuers->get_array()) {
    json::object issuer = item.get_object();
    issuer["key_file"] =
        (config.project / std::string(issuer.at("key_file").get_string())).string();
    config.http.jwt.push_back(std::move(issuer));
  }
}

fs::path store_in(const fs::path& state) { return state / "flywheel.db"; }

fs::path profile_in(const fs::path& state, const std::string& server) {
  return state / "profiles" / server;
}

Config typed(const json::object& object, const fs::path& file) {
  Config config;
  std::error_code error;
  if (!file.empty()) config.file = fs::absolute(file, error).lexically_normal();
  config.project = project_of(config.file);
  const Members all(object, config.project);
  const Members bridge = all.at("bridge");
  config.crt_url = all.text("crt_url");
  config.mcp_server = all.text("mcp_server");
  config.writer_agent = all.text("writer_agent");
  config.listen = bridge.text("listen");
  config.state = bridge.path("state", config.project / ".flywheel" / "state");
  config.store = bridge.path("store", store_in(config.state)).string();
  config.senders = bridge.texts("senders");
  config.draft = bridge.text("draft") == "clear" ? DraftPolicy::clear : DraftPolicy::stop;
  config.page_profiles = bridge.path("page_profiles", config.project / ".flywheel" / "pages");
  config.message_types = schemas_in(config.project);
  const Members browser = bridge.at("browser");
  // A name without a folder is looked up on the PATH when the browser starts.
  const fs::path executable = browser.text("executable");
  config.browser = {executable.has_parent_path() ? config.project / executable : executable,
                    browser.path("profile_dir", profile_in(config.state, config.mcp_server)),
                    browser.flag("headless"), browser.at("window").number("width"),
                    browser.at("window").number("height")};
  const Members timeouts = bridge.at("timeouts");
  config.timeouts = {timeouts.seconds("start_seconds"), timeouts.seconds("ready_seconds"),
                     timeouts.seconds("send_seconds"), timeouts.seconds("reply_seconds"),
                     timeouts.seconds("silence_seconds")};
  const Members limits = bridge.at("limits");
  config.limits = {limits.number("sends_per_window"), limits.seconds("window_seconds"),
                   limits.seconds("pause_seconds"),   limits.number("queue"),
                   limits.number("repairs"),          limits.seconds("cooldown_seconds"),
                   limits.number("parallel")};
  const Members session = bridge.at("session");
  config.actions = object.at("bridge").as_object().at("actions").as_object();
  config.session = {session.seconds("check_seconds"), session.flag("screenshots")};
  const Members agents = bridge.at("agents");
  config.agents = {agents.seconds("active_seconds"), agents.seconds("degraded_seconds"),
                   agents.number("requests_per_minute"),
                   config.project / ".flywheel" / "agents.json"};
  read_http(object.at("bridge").get_object(), bridge, config);
  return config;
}

}  // namespace

bool is_url(std::string_view store) { return store.find("://") != store.npos; }

base::Result<Config> parse_config(std::string_view text, const fs::path& file) {
  auto value = base::parse_json(text);
  if (!value) {
    return fail(Code::invalid,
                fmt::format("configuration {}: {}", file.string(), value.error().message));
  }
  const json::value schema = config_schema();
  TRY_OK(check(schema, *value, file));
  TRY_OK(refuse_url(value->get_object(), file));
  fill_in(schema.get_object(), value->get_object());
  auto config = typed(value->get_object(), file);
  if (config.agents.active >= config.agents.degraded) {
    return fail(Code::invalid,
                fmt::format("configuration {}:\n  /bridge/agents/degraded_seconds: must be larger "
                            "than active_seconds, which is {}",
                            file.string(), config.agents.active.count()));
  }
  return config;
}

void set_state(Config& config, const fs::path& state) {
  auto& profile = config.browser.profile_dir;
  const auto& server = config.mcp_server;
  if (config.store == store_in(config.state)) config.store = store_in(state).string();
  if (profile == profile_in(config.state, server)) profile = profile_in(state, server);
  config.state = state;
}

base::Result<Config> load_config(const fs::path& file) {
  TRY(const std::string text, read_file(file, config_bytes_max));
  return parse_config(text, file);
}

base::Result<Config> find_config(const std::optional<fs::path>& given, const fs::path& start) {
  if (given) return load_config(*given);
  const auto project = find_project(start);
  std::error_code error;
  if (project && fs::exists(*project / ".flywheel" / "chatgpt.json", error)) {
    return load_config(*project / ".flywheel" / "chatgpt.json");
  }
  return fail(Code::not_found,
              fmt::format("find the configuration: no .flywheel/chatgpt.json in {} or above; "
                          "create one with \"crt_url\", \"mcp_server\" and \"writer_agent\", or "
                          "name one with --config; a daemon that runs elsewhere needs none: set "
                          "FLYWHEEL_URL and FLYWHEEL_KEY",
                          start.string()));
}

}  // namespace app
