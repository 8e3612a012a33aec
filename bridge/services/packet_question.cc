#include "bridge/services/packet_question.h"

#include "bridge/services/finish.h"

#include <utility>

namespace services {
namespace {

namespace json = boost::json;
using base::Result;

Answer answer_of(Found found) {
  Answer answer{found.reply.body(), std::move(found.warnings)};
  const auto& told = found.reply.warnings();
  answer.warnings.insert(answer.warnings.end(), told.begin(), told.end());
  return answer;
}

class PacketFinish final : public AnswerFinish {
 public:
  PacketFinish(const protocol::Packet& packet, std::string end_marker)
      : finish_(packet, std::move(end_marker)) {}

  bool is_reached(std::string_view markdown) override { return finish_.is_reached(markdown); }
  bool is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) override {
    return finish_.is_reached(text, blocks);
  }
  std::optional<Answer> take(const chat::RawReply& raw) override {
    auto found = finish_.take(raw);
    if (!found) return std::nullopt;
    return answer_of(*std::move(found));
  }

 private:
  ReplyFinish finish_;
};

class PacketQuestion final : public Question {
 public:
  explicit PacketQuestion(protocol::Packet packet) : packet_(std::move(packet)) {}

  Result<protocol::Prompt> render(std::string_view post_id, std::string_view key) const override {
    return protocol::render(packet_, post_id, key);
  }
  Result<protocol::Prompt> render_repair(std::string_view post_id, std::string_view key,
                                         const Unusable& why) const override {
    return protocol::render_repair(packet_, post_id, key, why.problem, why.violations);
  }
  std::unique_ptr<AnswerFinish> finish(std::string end_marker) const override {
    return std::make_unique<PacketFinish>(packet_, std::move(end_marker));
  }
  std::expected<Answer, Unusable> judge(const chat::RawReply& raw,
                                        const std::string& end_marker) const override {
    auto extraction = extract(raw, end_marker, packet_);
    if (!extraction) return std::unexpected(Unusable{extraction.error().message});
    auto reply = protocol::check_reply(packet_, std::move(extraction->value));
    if (reply) return answer_of({*std::move(reply), std::move(extraction->warnings)});
    return std::unexpected(
        Unusable{std::move(reply.error().message), std::move(reply.error().violations)});
  }

 private:
  protocol::Packet packet_;
};

}  // namespace

QuestionKind packet_questions(const protocol::MessageTypes& types) {
  return {.noun = "packet",
          .question = [&types](const engine::Job& job) -> Result<std::shared_ptr<const Question>> {
            const auto* body = job.payload.if_contains("packet");
            auto packet = protocol::Packet::from_json(body ? *body : json::value(), types);
            if (packet) return std::make_shared<PacketQuestion>(*std::move(packet));
            return base::fail(base::Code::invalid, "read the packet: " + packet.error().message,
                              "invalid_packet");
          },
          .address = [](store::Tx&, const engine::Job& job) -> Result<std::string> {
            const auto* url = job.payload.if_contains("url");
            return url && url->is_string() ? std::string(url->get_string()) : std::string();
          }};
}

}  // namespace services
