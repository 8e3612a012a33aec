#include "bridge/services/exchange.h"

#include "bridge/base/ids.h"
#include "bridge/protocol/prompt.h"

#include <array>

#include <fmt/format.h>

namespace services {

using base::Code;

namespace {

// Hands the durable points of a send on to the observer.
class Steps final : public chat::SendSteps {
 public:
  Steps(ExchangeObserver& observer, std::string_view job_id)
      : observer_(observer), job_id_(job_id) {}

  base::Task<> intent(const chat::Baseline& baseline) override {
    co_return co_await observer_.on_stage(Stage::intent, job_id_, baseline.path);
  }
  base::Task<> armed() override {
    co_return co_await observer_.on_stage(Stage::armed, job_id_, "");
  }

 private:
  ExchangeObserver& observer_;
  std::string_view job_id_;
};

chat::Prompt as_posted(protocol::Prompt prompt) {
  return {.text = std::move(prompt.text),
          .marker = std::move(prompt.marker),
          .end_marker = std::move(prompt.end_marker)};
}

ExchangeFailure failure(base::Error error, std::string job_id, std::string raw = {}) {
  return {std::move(error), std::move(raw), std::move(job_id)};
}

// What the page showed, for a person who must decide: code and text in one.
std::string readable(const chat::RawReply& raw) {
  std::string text;
  for (const auto& block : raw.blocks)
    text += "```" + block.language + "\n" + block.text + "\n```\n";
  return text + raw.text;
}

}  // namespace

std::string_view name(Stage stage) {
  static constexpr std::array<std::string_view, 7> names = {
      "preparing", "intent", "armed", "sent", "replied", "repairing", "settled"};
  return names[static_cast<std::size_t>(stage)];
}

boost::asio::awaitable<std::expected<Answered, ExchangeFailure>> Exchange::run(
    const protocol::Packet& packet, ExchangeObserver& observer) {
  std::string problem;
  std::vector<protocol::Violation> violations;
  for (int repairs = 0;; ++repairs) {
    Round& round = last_;
    round = {.job_id = base::uuid_v7(clock_.wall())};
    auto prompt = repairs == 0 ? protocol::render(packet, round.job_id, marker_key_)
                               : protocol::render_repair(packet, round.job_id, marker_key_, problem,
                                                         violations);
    if (!prompt) co_return std::unexpected(failure(prompt.error(), round.job_id));
    round.prompt = as_posted(std::move(*prompt));
    (void)co_await observer.on_stage(repairs == 0 ? Stage::preparing : Stage::repairing,
                                     round.job_id, problem);
    if (auto sent = co_await send(round, observer); !sent) {
      co_return std::unexpected(failure(sent.error(), round.job_id));
    }
    ReplyFinish finish(packet, round.prompt.end_marker);
    if (auto read_result = co_await read(round, finish, observer); !read_result) {
      co_return std::unexpected(failure(read_result.error(), round.job_id));
    }
    violations.clear();
    auto found = finish.take(round.raw);
    if (!found) found = read_late(round, packet, problem, violations);
    if (found) {
      auto warnings = std::move(found->warnings);
      warnings.insert(warnings.end(), found->reply.warnings().begin(),
                      found->reply.warnings().end());
      co_return Answered{.reply = std::move(found->reply),
                         .job_id = round.job_id,
                         .route = round.raw.route,
                         .repairs = repairs,
                         .warnings = std::move(warnings),
                         .received = round.raw.received};
    }
    if (repairs >= limits_.repairs_max) break;
  }
  std::string message = fmt::format("the reply is not usable after {} repair prompts: {}",
                                    limits_.repairs_max, problem);
  for (const auto& violation : violations) message += "\n  " + protocol::to_line(violation);
  co_return std::unexpected(failure({Code::invalid, std::move(message), "invalid_reply"},
                                    last_.job_id, readable(last_.raw)));
}

base::Task<> Exchange::send(Round& round, ExchangeObserver& observer) {
  Steps steps(observer, round.job_id);
  auto sent = co_await conversation_.send(round.prompt, steps);
  if (!sent && sent.error().reason == "unknown_outcome") {
    // Looking is always safe; sending again never is.
    auto found = co_await conversation_.find(round.prompt);
    if (!found || !found->sent) co_return std::unexpected(sent.error());
    sent = std::move(*found->sent);
  }
  if (!sent) co_return std::unexpected(sent.error());
  round.sent = std::move(*sent);
  (void)co_await observer.on_stage(Stage::sent, round.job_id, round.sent.proof);
  co_return base::Result<>();
}

// The answer of a reply that ended without reaching the finish line, or what is wrong with it.
std::optional<Found> Exchange::read_late(const Round& round, const protocol::Packet& packet,
                                         std::string& problem,
                                         std::vector<protocol::Violation>& violations) {
  auto extraction = extract(round.raw, round.prompt.end_marker, packet);
  if (!extraction) {
    problem = extraction.error().message;
    return std::nullopt;
  }
  auto reply = protocol::check_reply(packet, std::move(extraction->value));
  if (reply) return Found{*std::move(reply), std::move(extraction->warnings)};
  problem = reply.error().message;
  violations = reply.error().violations;
  return std::nullopt;
}

base::Task<> Exchange::read(Round& round, ReplyFinish& finish, ExchangeObserver& observer) {
  CO_TRY(round.raw, co_await conversation_.reply(round.sent, round.prompt, finish, limits_.reply));
  (void)co_await observer.on_stage(
      Stage::replied, round.job_id,
      fmt::format("{} bytes by {}", round.raw.text.size(), round.raw.route));
  co_return base::Result<>();
}

base::Task<std::vector<std::string>> Exchange::settle(ExchangeObserver& observer) {
  CO_TRY(auto settled, co_await conversation_.settle(last_.sent, last_.prompt, last_.raw));
  (void)co_await observer.on_stage(Stage::settled, last_.job_id, "");
  co_return std::move(settled.differences);
}

}  // namespace services
