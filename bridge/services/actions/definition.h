// The actions that may be asked for: what each does, what it may be given and how risky it is.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/schema/schema.h"
#include "bridge/services/actions/http_call.h"
#include "bridge/services/agents/agent.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions {

enum class Kind { builtin, program, http };
std::string_view name(Kind kind);

// Parameters that make it riskier.
struct Raise {
  schema::Schema when;
  int add = 0;
};

struct Program {
  std::vector<std::string> argv;  // the first is an absolute path; "{name}" is that parameter
  std::map<std::string, std::string> environment;  // all of it
  std::string folder;                              // where it runs
  int timeout_s = 60;
  std::size_t output_bytes_max = 64u << 10;
};

struct Definition {
  std::string name;
  std::string description;
  Kind kind = Kind::builtin;
  int risk = 100;  // 0 … 100
  agents::Tier min_tier = agents::Tier::founder;
  base::json::value params;  // the JSON Schema of its parameters
  schema::Schema schema;
  std::vector<Raise> raises;
  Program program = {};
  HttpCall call = {};
  std::string hash;  // of all of it but its secrets: who approves approves this definition too
  // What takes it back, under the same policy; null: nothing does. Its parameters are those of what
  // it takes back, and by their names ("result.body.id") what that has given.
  std::shared_ptr<const Definition> undo = {};
  std::vector<std::string> results = {};  // of an undo: what it wants of what was given
};

class Catalogue {
 public:
  // The built-in ones among `builtins`, and those of the configuration (`bridge.actions`). invalid
  // with reason configuration: the message begins with the pointer of what is wrong.
  static base::Result<Catalogue> load(const std::vector<std::string>& builtins,
                                      const base::json::object& configured);

  // The action's, or, with the id of one that was done, that of what takes it back. Null: there is
  // none.
  const Definition* find(std::string_view name, std::string_view undoes = {}) const;
  const std::map<std::string, Definition, std::less<>>& all() const { return all_; }

 private:
  std::map<std::string, Definition, std::less<>> all_;
};

}  // namespace services::actions
