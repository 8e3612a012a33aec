// The actions that may be asked for: what each does, what it may be given and how risky it is.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/schema/schema.h"
#include "bridge/services/agents/agent.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions {

enum class Kind { builtin, program };
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
  std::string hash;  // of all of it: who approves approves this definition too
};

class Catalogue {
 public:
  // The built-in ones among `builtins`, and those of the configuration (`bridge.actions`). invalid
  // with reason configuration: the message begins with the pointer of what is wrong.
  static base::Result<Catalogue> load(const std::vector<std::string>& builtins,
                                      const base::json::object& configured);

  // Null: there is none.
  const Definition* find(std::string_view name) const;
  const std::map<std::string, Definition, std::less<>>& all() const { return all_; }

 private:
  std::map<std::string, Definition, std::less<>> all_;
};

}  // namespace services::actions
