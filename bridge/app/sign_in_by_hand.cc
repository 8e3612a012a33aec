#include "bridge/app/sign_in_by_hand.h"

#include "bridge/base/limits.h"

#include <optional>
#include <string>

#include <fmt/format.h>

namespace app {
namespace {

using base::Code;

// Why nobody can sign in there any more, if so.
std::optional<base::Error> why_over(const chat::Judgement& judged) {
  switch (judged.state) {
    case chat::State::browser_gone:
    case chat::State::tab_closed:
      return base::Error{Code::login_required,
                         "the window was closed before the conversation was ready; what was done "
                         "in it is kept. Start again with flywheel session login",
                         "login_required"};
    case chat::State::tab_crashed:
      return base::Error{
          Code::unavailable,
          "the page crashed; start again with flywheel session login: " + judged.evidence,
          "ui_changed"};
    default:
      return std::nullopt;
  }
}

}  // namespace

base::Task<> wait_for_sign_in(chat::Conversation& conversation, std::ostream& told,
                              base::Clock& clock) {
  std::string shown;
  for (;;) {
    const auto judged = co_await conversation.state();
    if (!judged && judged.error().reason == "navigated") continue;
    if (!judged) co_return std::unexpected(judged.error());
    if (judged->can_send) co_return base::Result<>();
    if (auto ended = why_over(*judged)) co_return std::unexpected(*std::move(ended));
    if (shown != chat::name(judged->state)) {
      shown = chat::name(judged->state);
      told << fmt::format("  {}: {}", shown, judged->evidence) << std::endl;
    }
    co_await clock.sleep_until(clock.now() + limits::sign_in_look);
  }
}

}  // namespace app
