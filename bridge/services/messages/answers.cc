#include "bridge/services/messages/answers.h"

#include "bridge/protocol/extraction.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/schema.h"

#include <string>

namespace services::messages {

namespace json = boost::json;
using base::Code;
using base::Result;

Result<json::value> value_in(std::string_view text, const json::value& document) {
  const auto wrong = [](const std::string& why) {
    return base::fail(Code::invalid, "/text: " + why, "wrong_answer");
  };
  TRY(const auto wanted, schema::Schema::compile(schema::Registry(), document));
  // An inbox has no end marker: the message is whole.
  auto found = protocol::extract(
      text, "", [&wanted](const json::object& object) { return wanted.is_valid(object); });
  if (!found) return wrong("the query wants a JSON object by its schema: " + found.error().message);
  TRY(const auto violations, wanted.check(found->value));
  if (violations.empty()) return json::value(std::move(found->value));
  std::string all;
  for (const auto& one : violations) {
    if (!all.empty()) all += "; ";
    all +=
        (one.instance_location.empty() ? "the object" : one.instance_location) + ": " + one.message;
  }
  return wrong("the object is not valid by the schema of the query: " + all);
}

}  // namespace services::messages
