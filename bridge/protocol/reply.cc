#include "bridge/protocol/reply.h"

#include <fmt/format.h>

namespace protocol {
namespace {

// Adds the violation of a member that does not repeat what the request says.
void expect_same(const json::object& body, std::string_view key, std::string_view expected,
                 std::vector<Violation>& violations) {
  const json::value* value = body.if_contains(key);
  const bool is_text = value && value->is_string();
  if (is_text && value->get_string() == expected) return;
  const std::string pointer = "/" + std::string(key);
  // The schema may have said so already, in its own words.
  std::erase_if(violations, [&](const Violation& known) { return known.pointer == pointer; });
  violations.push_back(
      {pointer, std::string(key),
       fmt::format(
           "must be \"{}\", as the request says{}", expected,
           is_text ? fmt::format(", but is \"{}\"", std::string_view(value->get_string())) : "")});
}

std::string_view verdict_of(const json::object& body) {
  const json::value* verdict = body.if_contains("verdict");
  return verdict && verdict->is_string() ? std::string_view(verdict->get_string()) : "";
}

std::vector<std::string> contradictions(const json::object& body) {
  std::vector<std::string> out;
  const std::string_view verdict = verdict_of(body);
  boost::system::error_code error;
  const json::value whole(body);
  const json::value* passed = whole.find_pointer("/acceptance/passed", error);
  const json::value* reasons = whole.find_pointer("/acceptance/failed_reasons", error);
  const bool has_passed = passed && passed->is_bool();
  const bool has_reasons = reasons && reasons->is_array() && !reasons->get_array().empty();
  if (has_passed && verdict == "ok" && !passed->get_bool()) {
    out.push_back("verdict is \"ok\", but acceptance.passed is false");
  }
  if (has_passed && verdict != "ok" && passed->get_bool()) {
    out.push_back(fmt::format("acceptance.passed is true, but verdict is \"{}\"", verdict));
  }
  if (has_reasons && verdict == "ok") {
    out.push_back("verdict is \"ok\", but acceptance.failed_reasons are given");
  }
  if (has_reasons && has_passed && passed->get_bool()) {
    out.push_back("acceptance.passed is true, but acceptance.failed_reasons are given");
  }
  const json::value* missing = body.if_contains("missing");
  if (verdict == "ok" && missing && missing->is_array() && !missing->get_array().empty()) {
    out.push_back("verdict is \"ok\", but evidence is said to be missing");
  }
  return out;
}

}  // namespace

std::string_view Reply::verdict() const { return verdict_of(body_); }

Checked<Reply> check_reply(const Packet& packet, json::object body) {
  const json::value whole(body);
  std::vector<Violation> violations = violations_of(packet.type().response, whole);
  expect_same(body, "msg_type", packet.type().response_name, violations);
  expect_same(body, "bead_id", packet.bead_id(), violations);
  if (!violations.empty()) {
    return std::unexpected(
        Refusal{{base::Code::invalid,
                 fmt::format("the reply is no valid {}", packet.type().response_name), "invalid"},
                std::move(violations)});
  }
  auto warnings = contradictions(body);
  return Reply(std::move(body), std::move(warnings));
}

Accepts replies_to(const Packet& packet) {
  return [&packet](const json::object& object) { return check_reply(packet, object).has_value(); };
}

}  // namespace protocol
