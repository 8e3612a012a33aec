// A conversation in a real browser tab.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/chat/conversation.h"
#include "bridge/chat/eyes.h"
#include "bridge/chat/profile.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chat {

// What to do with a draft that somebody left in the composer.
enum class DraftPolicy { stop, clear };
// Which way answers are read; both, unless one is to be measured or mistrusted.
enum class Routes { both, dom_only };

struct ChatOptions {
  std::string url;  // the conversation's address; "/" and "/g/…" open a new chat
  DraftPolicy drafts = DraftPolicy::stop;
  Routes routes = Routes::both;
  std::chrono::milliseconds ready_limit = std::chrono::seconds(60);
  std::chrono::milliseconds post_limit = limits::post_appears;  // from the click to its POST
  // From the insertion of a message to the proof that it was sent.
  std::chrono::milliseconds send_limit = limits::send_proven;
  // Without a sign of life of an answer; then the conversation is loaded afresh to look for it.
  std::chrono::milliseconds silence_limit = limits::reply_silence;
};

// Presses nothing but the send button, and that only through the one-shot guard of page/guard.js.
class ChatPage final : public Conversation {
 public:
  // Takes the tab and loads the conversation in it. The clock outlives the result.
  static base::Task<std::unique_ptr<ChatPage>> open(std::unique_ptr<cdp::Page> page,
                                                    const Profiles& profiles, ChatOptions options,
                                                    base::Clock& clock);
  ChatPage(const ChatPage&) = delete;
  ChatPage& operator=(const ChatPage&) = delete;
  ~ChatPage() override;

  std::string url() const override { return options_.url; }
  base::Task<Judgement> state() override;
  base::Task<Search> find(const Prompt& prompt) override;
  base::Task<Sent> send(const Prompt& prompt, SendSteps& steps) override;
  base::Task<RawReply> reply(const Sent& sent, const Prompt& prompt, FinishCheck& finish,
                             base::Instant::duration limit) override;
  base::Task<Settled> settle(const Sent& sent, const Prompt& prompt,
                             const RawReply& accepted) override;

  // One look, with the text of the last `turns` turns.
  base::Task<Sighting> look(int turns);
  // Waits until a prompt may be inserted. Errors: the state that a person must end, or that lasted
  // longer than options.ready_limit. A composer that holds `own` is cleared of it, one that holds a
  // person's draft only with `drafts`: who means to insert nothing leaves it.
  base::Task<Sighting> wait_until_ready(const Prompt* own = nullptr,
                                        DraftPolicy drafts = DraftPolicy::stop);
  // The shape of the page without anything a person wrote, for reports about unknown pages.
  base::Task<std::string> digest();
  // Judges a look with what the network told since the page was loaded.
  base::Task<Judgement> judge_now(const Sighting& seen);

  // Loads the conversation anew. A site that cannot be reached is no error but the page's state.
  base::Task<> load();
  // The same, and returns when all that the document before has done is known: it does no more.
  // timeout: that is not certain.
  base::Task<> leave();
  // The document that is there has posted this message.
  bool has_posted(const Prompt& prompt) const;
  // Some document of this tab has posted it, and was not certainly refused.
  bool may_be_taken(const Prompt& prompt) const;

  const std::shared_ptr<Eyes>& eyes() const { return eyes_; }
  cdp::Page& page() { return eyes_->page(); }

 private:
  ChatPage(std::shared_ptr<Eyes> eyes, ChatOptions options, Binding bound, base::Clock& clock);

  struct Click {
    std::string nonce;
    double x = 0;
    double y = 0;
  };
  class Reading;
  class StandingText;

  // The state without what is unknown of our own message.
  base::Task<Judgement> page_state();
  base::Task<> ask_session();
  base::Task<> clear_draft(const Sighting& seen);
  // Ready, and a new chat is where it begins.
  base::Task<Sighting> ready_at_home(const Prompt& prompt);
  // The composer holds the prompt, and nothing else. timeout: it took too long.
  base::Task<> insert(const Prompt& prompt, StandingText& text, base::Instant deadline);
  boost::asio::awaitable<base::Error> explain(base::Error refused);
  base::Task<Click> arm(const Prompt& prompt, const Baseline& baseline);
  base::Task<> click_once(const Prompt& prompt, const Baseline& baseline, StandingText& text);
  base::Task<> not_clicked(const Prompt& prompt, StandingText& text, base::Error why);
  base::Task<Sent> proof_of_send(const Prompt& prompt, base::Instant document,
                                 base::Instant deadline);
  boost::asio::awaitable<void> learn_address(const Prompt& prompt);
  base::Error refusal(const Post& post) const;
  base::Task<Search> look_for(const Prompt& prompt);
  base::Task<Search> look_in_recent_chats(const Prompt& prompt);
  base::Task<std::vector<std::string>> recent_chats();
  base::Result<std::optional<Search>> found_in(const Readback& readback,
                                               const Prompt& prompt) const;
  base::Task<std::optional<Sent>> find_on_page(const Prompt& prompt);
  base::Task<std::optional<Turn>> shown_answer(const Sent& sent, const Prompt& prompt,
                                               const std::string& shell);
  base::Task<std::optional<Readback>> fresh_readback();
  base::Task<bool> load_until(std::function<bool()> is_told);
  base::Task<> check_way();
  void bind(const std::string& conversation_id);
  void unbind(const Binding& home, std::string url);
  Sent sent_by(const Post& post) const;

  std::shared_ptr<Eyes> eyes_;
  ChatOptions options_;
  Binding bound_;
  base::Clock& clock_;
  // A message whose outcome nobody knows yet: nothing is sent until `find` has looked for it.
  bool is_unresolved_ = false;
  // The page was left on a chat that is not the bound one: it must be loaded before a send.
  bool is_elsewhere_ = false;
};

}  // namespace chat
