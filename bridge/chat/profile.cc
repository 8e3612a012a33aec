#include "bridge/chat/profile.h"

#include "bridge/chat/state.h"
#include "bridge/schema/schema.h"
#include "embedded/page_profile_schema.h"
#include "embedded/page_profiles.h"
#include "embedded/page_scripts.h"

#include <fstream>
#include <map>
#include <sstream>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace chat {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

struct Source {
  std::string where;
  std::string text;
};

base::Result<std::map<std::string, Source>> gather(const fs::path& folder) {
  std::map<std::string, Source> sources;
  for (const auto& file : embedded::page_profiles()) {
    sources[std::string(file.path)] = {fmt::format("built-in profile {}", file.path),
                                       std::string(file.content)};
  }
  if (folder.empty()) return sources;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".json") continue;
    std::ifstream in(entry->path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) {
      return fail(Code::unavailable, fmt::format("read {}", entry->path().string()), "file_failed");
    }
    sources[entry->path().filename().string()] = {entry->path().string(), text.str()};
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(Code::unavailable, fmt::format("read {}: {}", folder.string(), error.message()),
                "file_failed");
  }
  return sources;
}

bool is_selector(const base::json::value& schema) {
  const auto* object = schema.if_object();
  if (object == nullptr) return false;
  const auto* reference = object->if_contains("$ref");
  if (reference && *reference == "#/$defs/selector") return true;
  const auto* items = object->if_contains("items");
  return items && is_selector(*items);
}

// The names of the members that hold selectors, anywhere in the schema.
void gather_selectors(const base::json::value& schema, base::json::array& members) {
  const auto* object = schema.if_object();
  if (object == nullptr) return;
  const auto* properties = object->if_contains("properties");
  if (properties && properties->is_object()) {
    for (const auto& [name, item] : properties->get_object()) {
      if (is_selector(item)) members.emplace_back(name);
    }
  }
  for (const auto& [name, item] : *object) gather_selectors(item, members);
}

// States of signs are words of this program, which the schema does not list.
base::Result<> check_states(const base::json::object& profile, const std::string& where) {
  for (const auto& item : profile.at("signs").as_array()) {
    const auto& sign = item.as_object();
    const std::string_view state = sign.at("state").as_string();
    if (!state_named(state)) {
      return fail(Code::invalid, fmt::format("{}: sign {}: \"{}\" is no page state", where,
                                             std::string_view(sign.at("name").as_string()), state));
    }
  }
  return {};
}

base::Result<base::json::object> parse(const Source& source, const schema::Schema& schema) {
  auto value = base::parse_json(source.text);
  if (!value) return fail(Code::invalid, source.where + ": " + value.error().message);
  TRY(auto violations, schema.check(*value));
  if (!violations.empty()) {
    std::string message = source.where + " is no page profile:";
    for (const auto& violation : violations) message += "\n  " + schema::to_line(violation);
    return fail(Code::invalid, std::move(message));
  }
  auto object = std::move(value->as_object());
  TRY_OK(check_states(object, source.where));
  return object;
}

}  // namespace

base::Result<Profiles> Profiles::load(const fs::path& folder) {
  TRY(const auto document, base::parse_json(embedded::page_profile_schema().front().content));
  schema::Registry registry;
  TRY(const auto schema, schema::Schema::compile(registry, document));
  TRY(auto sources, gather(folder));
  Profiles profiles;
  gather_selectors(document, profiles.selector_members_);
  for (const auto& [file, source] : sources) {
    TRY(auto profile, parse(source, schema));
    if (file == "common.json") {
      profiles.common_ = std::move(profile);
      profiles.files_.emplace(profiles.files_.begin(), source.where);
    } else if (profile.contains("turns")) {
      profiles.shells_.push_back(std::move(profile));
      profiles.files_.emplace_back(source.where);
    } else {
      return fail(Code::invalid, source.where + ": a shell's profile needs \"turns\"");
    }
  }
  if (!profiles.common_.contains("dialogs")) {
    return fail(Code::invalid, "common.json: \"dialogs\" is missing");
  }
  return profiles;
}

std::string Profiles::script() const {
  std::string script = "(() => {\n'use strict';\nif (globalThis.flywheel) return;\n";
  script += "const common = " + base::json::serialize(common_) + ";\n";
  script += "const profiles = " + base::json::serialize(shells_) + ";\n";
  script += "const files = " + base::json::serialize(files_) + ";\n";
  script += "const selector_members = new Set(" + base::json::serialize(selector_members_) + ");\n";
  for (const std::string_view part : {"selectors.js", "dom.js", "guard.js", "act.js", "watch.js"}) {
    for (const auto& file : embedded::page_scripts()) {
      if (file.path == part) script += file.content;
    }
  }
  script +=
      "globalThis.flywheel = {look, digest, clear, guarded_insert, take_back, arm_when_sendable,\n"
      "  guard_verdict, guard_down, next_look, read_exchange, watch_reply, stop_watch, session,\n"
      "  unreadable_selectors};\n"
      "})()";
  return script;
}

std::vector<std::string> Profiles::shell_names() const {
  std::vector<std::string> names;
  for (const auto& shell : shells_) names.emplace_back(shell.as_object().at("name").as_string());
  return names;
}

}  // namespace chat
