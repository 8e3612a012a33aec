#include "bridge/services/messages/query_question.h"

#include "bridge/chat/binding.h"
#include "bridge/protocol/extraction.h"
#include "bridge/protocol/finish_line.h"
#include "bridge/protocol/prompt.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/schema.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/finish.h"
#include "bridge/services/messages/rows.h"
#include "cdp/json_text.h"

#include <boost/json/serialize.hpp>

namespace services::messages {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

Result<schema::Schema> compiled(const json::value& document) {
  return schema::Schema::compile(schema::Registry(), document);
}

class QueryQuestion final : public Question {
 public:
  QueryQuestion(protocol::Query query, std::optional<schema::Schema> wanted)
      : query_(std::move(query)), wanted_(std::move(wanted)) {}

  Result<protocol::Prompt> render(std::string_view post_id, std::string_view key) const override {
    return protocol::render(query_, post_id, key);
  }
  Result<protocol::Prompt> render_repair(std::string_view post_id, std::string_view key,
                                         const Unusable& why) const override {
    return protocol::render_repair(query_, post_id, key, why.problem, why.violations);
  }
  std::unique_ptr<AnswerFinish> finish(std::string end_marker) const override;
  std::expected<Answer, Unusable> judge(const chat::RawReply& raw,
                                        const std::string& end_marker) const override {
    const std::string whole = raw.route == "dom" ? readable(raw) : raw.text;
    const auto text = protocol::before_end_marker(whole, end_marker);
    std::vector<std::string> warnings;
    if (text.size() == whole.size()) {
      if (raw.is_cut_off) return std::unexpected(Unusable{"it ends in the middle"});
      warnings.emplace_back("the reply did not end with its end marker");
    }
    if (text.empty()) return std::unexpected(Unusable{"it is empty"});
    json::object response{{"text", text}};
    if (!wanted_) return Answer{std::move(response), std::move(warnings)};
    auto found = object_in(raw, end_marker);
    if (!found) return std::unexpected(Unusable{found.error().message});
    auto violations = wanted_->check(found->value);
    if (!violations) return std::unexpected(Unusable{violations.error().message});
    if (!violations->empty()) return std::unexpected(told(*violations));
    response["value"] = std::move(found->value);
    return Answer{std::move(response), std::move(warnings)};
  }

 private:
  bool accepts(const json::object& object) const { return wanted_->is_valid(object); }

  Result<protocol::Extraction> object_in(const chat::RawReply& raw,
                                         const std::string& end_marker) const {
    const auto good = [this](const json::object& object) { return accepts(object); };
    if (raw.route != "dom") return protocol::extract(raw.text, end_marker, good);
    protocol::SeenReply seen{.blocks = {}, .text = raw.text};
    for (const auto& block : raw.blocks) seen.blocks.push_back({block.language, block.text});
    return protocol::extract(seen, end_marker, good);
  }

  static Unusable told(const std::vector<schema::Violation>& violations) {
    Unusable why{"the object is not valid against the schema"};
    for (const auto& one : violations) {
      why.violations.push_back({one.instance_location, one.keyword, one.message});
    }
    return why;
  }

  protocol::Query query_;
  std::optional<schema::Schema> wanted_;
};

// Reached when the last line is the end marker and what comes before it is an answer.
class QueryFinish final : public AnswerFinish {
 public:
  QueryFinish(const QueryQuestion& question, std::string end_marker)
      : question_(question),
        end_marker_(std::move(end_marker)),
        watch_(end_marker_, protocol::FinishLine::Wants::text) {}

  bool is_reached(std::string_view markdown) override {
    return watch_.is_worth_reading(markdown) &&
           is_answer({.text = std::string(markdown), .route = "network"});
  }
  bool is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) override {
    protocol::LastLine line(end_marker_);
    line.feed(text);
    return line.is_wanted() && is_answer({.text = text, .blocks = blocks, .route = "dom"});
  }
  std::optional<Answer> take(const chat::RawReply&) override { return std::nullopt; }

 private:
  bool is_answer(const chat::RawReply& raw) const {
    return question_.judge(raw, end_marker_).has_value();
  }

  const QueryQuestion& question_;
  std::string end_marker_;
  protocol::FinishWatch watch_;
};

std::unique_ptr<AnswerFinish> QueryQuestion::finish(std::string end_marker) const {
  return std::make_unique<QueryFinish>(*this, std::move(end_marker));
}

Result<std::shared_ptr<const Question>> question_of(const engine::Job& job) {
  const json::object& payload = job.payload;
  protocol::Query query{.asker = cdp::text_in(payload, "asker"),
                        .text = cdp::text_in(payload, "text"),
                        .context = cdp::text_in(payload, "context"),
                        .schema = {}};
  std::optional<schema::Schema> wanted;
  if (const auto* document = payload.if_contains("schema"); document && !document->is_null()) {
    TRY(wanted, compiled(*document));
    query.schema = json::serialize(*document);
  }
  return std::make_shared<QueryQuestion>(std::move(query), std::move(wanted));
}

// One that was handed in before askers were noted asks for its principal.
rows::Chat chat_of(const engine::Job& job) {
  const auto& payload = job.payload;
  auto asker = cdp::text_in(payload, "asker_id");
  return {.agent = cdp::text_in(payload, "agent"),
          .asker = asker.empty() ? job.principal : std::move(asker),
          .thread = cdp::text_in(payload, "thread"),
          .link = cdp::text_in(payload, "link")};
}

// What a new chat turned into is where the thread goes on for its asker. With an agent that was
// removed meanwhile none goes on.
Result<> note_address(store::Tx& tx, const engine::Job& job, const chat::Sent& sent) {
  const auto bound = chat::binding_of(sent.url);
  if (!bound || chat::is_new_chat(bound->path)) return {};
  const auto chat = chat_of(job);
  TRY(const auto agent, agents::with_id(tx, chat.agent));
  return agent ? rows::set_address(tx, chat, sent.url, job.timings.queued) : Result<>();
}

}  // namespace

QuestionKind query_questions() {
  return {.noun = "query",
          .question = question_of,
          .address = [](store::Tx& tx, const engine::Job& job) -> Result<std::string> {
            TRY(auto url, rows::address(tx, chat_of(job)));
            return url.empty() ? cdp::text_in(job.payload, "link") : url;
          },
          .sent = note_address};
}

Result<> check_schema(const json::value& schema) {
  TRY_OK(compiled(schema));
  return {};
}

}  // namespace services::messages
