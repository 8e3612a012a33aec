// The catalogue of message types, read from folders of JSON Schema files.
#pragma once

#include "bridge/protocol/violation.h"
#include "bridge/schema/schema.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace protocol {

namespace json = boost::json;

// A question agents may ask and the answer that belongs to it: one `msg-<name>.schema.json` and one
// `resp-<name>.schema.json`. Nothing about a type is known besides what these two files say.
struct MessageType {
  std::string name;           // msg_type of the request, such as RFP_PLAN
  std::string response_name;  // msg_type of the response, such as RFP_PLAN_RESPONSE
  std::string title;
  schema::Schema request;
  schema::Schema envelope;
  schema::Schema response;
  // The members of the response that carry its content; the default of requested_output.fields.
  std::vector<std::string> fields;
  // The response as a person or a model reads it: one line a member, with type and description.
  std::string response_shape;
};

class MessageTypes {
 public:
  // The types built into the program. Aborts if they are broken, which the tests would show.
  static MessageTypes built_in();

  // The built-in types and those of a folder (every *.json directly in it). A missing folder adds
  // nothing. invalid: a file is no JSON, no schema, refers to something unknown, or has no partner;
  // the message names the file and the place in it.
  static base::Result<MessageTypes> load(const std::filesystem::path& folder);

  // By the msg_type of a request or of a response; null if unknown.
  std::shared_ptr<const MessageType> find(std::string_view msg_type) const;
  // Sorted by name.
  std::vector<std::shared_ptr<const MessageType>> all() const;
  // "RFP_PLAN, RFP_ARBITRATE, …" for messages.
  std::string request_names() const;

 private:
  std::map<std::string, std::shared_ptr<const MessageType>, std::less<>> by_name_;
};

// Checks a request or a response, chosen by its msg_type, and returns that msg_type.
Checked<std::string> check_message(const json::value& message, const MessageTypes& types);

// Every violation of `schema` by `value`; empty if there is none.
std::vector<Violation> violations_of(const schema::Schema& schema, const json::value& value);

}  // namespace protocol
