#include "bridge/services/messages.h"

#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/chat/binding.h"
#include "bridge/services/memory/replies.h"
#include "bridge/services/messages/message_limits.h"
#include "bridge/services/messages/query_question.h"
#include "bridge/services/packets.h"

#include <map>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
using base::Code;
using base::Task;
using messages::Kind;
using messages::Message;
using messages::Party;

namespace {

Party party_of(const agents::Agent& agent) { return {agent.id, agent.name}; }

// Of a GPT whose every chat is its own.
engine::LaneId lane_of_gpt(const agents::Agent& agent) { return {"gpt:" + agent.id}; }

// Who speaks: nobody speaks for an agent but its own key and operators.
base::Result<Party> sender_of(store::Tx& tx, const Caller& caller, const std::string& from) {
  const auto forged = [&](std::string_view why) {
    return base::fail(Code::denied, fmt::format("send as {}: {}", from, why), "forged_sender");
  };
  if (!caller.agent.empty()) {
    TRY(const auto own, agents::find(tx, caller.agent));
    if (from.empty()) return party_of(own);
    TRY(const auto named, agents::look(tx, from));
    if (named && named->id == own.id) return party_of(own);
    return forged(fmt::format("you are {}", own.name));
  }
  if (from.empty()) return Party{{}, caller.name};
  if (!caller.may_send_for_others) return forged("only an operator may");
  TRY(const auto named, agents::find(tx, from));
  return party_of(named);
}

// Whom `from` replies to, if `say` names that one as the message does.
base::Result<std::optional<Party>> replied_to(store::Tx& tx, const Messages::Say& say,
                                              const Party& from) {
  if (say.reply_to.empty()) return std::nullopt;
  const auto original = messages::get(tx, say.reply_to);
  if (!original && original.error().code == Code::not_found) return std::nullopt;
  if (!original) return std::unexpected(original.error());
  const auto* other = messages::other_end(*original, from);
  if (!other || say.to.empty() || (say.to != other->id && say.to != other->name)) {
    return std::nullopt;
  }
  if (other->id.empty()) return *other;
  TRY(const auto agent, agents::with_id(tx, other->id));
  return agent ? std::optional(party_of(*agent)) : std::nullopt;
}

// Who is replied to goes before whoever has taken that name: see
// ApiMessages.AReplyGoesBackToItsSenderWhateverOthersCallThemselves.
base::Result<Party> recipient_of(store::Tx& tx, const Messages::Say& say, const Party& from) {
  TRY(auto replied, replied_to(tx, say, from));
  if (replied) return *std::move(replied);
  auto named = agents::find(tx, say.to);
  if (named) return party_of(*named);
  auto error = std::move(named).error();
  if (error.code == Code::not_found) {
    error.message +=
        "; who is no agent has no inbox and is reached by a reply to what they wrote (reply_to)";
  }
  return std::unexpected(std::move(error));
}

// Whose messages are meant. One that was removed is found by the id it had while a message tells
// of it.
base::Result<std::string> id_of(store::Tx& tx, const std::string& which) {
  auto agent = agents::find(tx, which);
  if (agent) return std::move(agent->id);
  if (agent.error().code == Code::not_found) {
    TRY(const bool is_known, messages::is_known(tx, which));
    if (is_known) return which;
  }
  return std::unexpected(std::move(agent).error());
}

base::Result<std::string> id_for(store::Tx& tx, const Caller& caller, const std::string& which) {
  if (caller.agent.empty()) return id_of(tx, which);
  TRY(const auto agent, agents::find(tx, which));
  TRY_OK(agents::check_own(tx, caller.agent, agent));
  return agent.id;
}

// not_found: it is no query to the one who is, or was, called `which`.
base::Result<> check_asked(store::Tx& tx, const std::string& which, const Message& asked) {
  TRY(const auto agent, agents::look(tx, which));
  const auto& to = asked.recipient;
  const bool is_it = agent ? agent->id == to.id : which == to.id || which == to.name;
  if (asked.kind == Kind::query && is_it) return {};
  return base::fail(Code::not_found,
                    fmt::format("query {}: {} was not asked that", asked.id, which));
}

// The id of a query to the one who is, or was, called `which`, among those that the caller may see.
base::Result<std::string> query_id(store::Tx& tx, const Caller& caller, const std::string& which,
                                   const std::string& begins) {
  messages::Among among{.to = which, .only_queries = true};
  TRY(const auto agent, agents::look(tx, which));
  if (agent) among.to = agent->id;
  if (!caller.agent.empty()) {
    TRY(const auto own, agents::find(tx, caller.agent));
    among.end = party_of(own);
  }
  return messages::whole_id(tx, begins, among);
}

messages::Draft draft_of(const Caller& caller, const Messages::Say& say, Party from, Party to) {
  return {.sender = std::move(from),
          .recipient = std::move(to),
          .text = say.text,
          .topic = say.topic,
          .thread = say.thread,
          .reply_to = say.reply_to,
          .meta = say.meta,
          .is_of_run = speaks_for_run(caller)};
}

messages::Draft query_of(const Caller& caller, const Messages::Ask& ask, Party from, Party to,
                         std::string thread) {
  messages::Draft draft{.kind = Kind::query,
                        .sender = std::move(from),
                        .recipient = std::move(to),
                        .text = ask.text,
                        .thread = std::move(thread),
                        .is_of_run = speaks_for_run(caller)};
  if (!ask.context.empty()) draft.meta["context"] = ask.context;
  if (!ask.schema.is_null()) draft.meta["schema"] = ask.schema;
  return draft;
}

// not_found: nobody is meant, which a misspelt name looks like.
base::Result<std::vector<agents::Agent>> everybody(store::Tx& tx, const Messages::Everybody& whom) {
  const auto found = [&](const std::string& category, const std::string& capability) {
    return agents::list(tx, {.category = category, .capability = capability}, "",
                        limits::broadcast_max + 1);
  };
  const auto& category = whom.either.empty() ? whom.category : whom.either;
  const auto& capability = whom.either.empty() ? whom.capability : whom.either;
  if (!category.empty()) {
    TRY(auto members, found(category, {}));
    if (!members.empty()) return members;
  }
  if (!capability.empty()) {
    TRY(auto able, found({}, capability));
    if (!able.empty()) return able;
  }
  if (whom.either.empty()) {
    return base::fail(Code::not_found, fmt::format("broadcast to the {} \"{}\": nobody {} it",
                                                   capability.empty() ? "category" : "capability",
                                                   capability.empty() ? category : capability,
                                                   capability.empty() ? "is of" : "has"));
  }
  return base::fail(Code::not_found,
                    fmt::format("broadcast to \"{}\": nobody is of this category or has this "
                                "capability; agents are named in a list",
                                whom.either));
}

}  // namespace

bool Messages::is_asked_in_a_conversation(const agents::Agent& agent) {
  return agent.kind == agents::Kind::custom_gpt && !agent.link.empty();
}

std::string Messages::origin_of(std::string_view url) {
  const auto bound = chat::binding_of(url);
  return bound ? bound->origin : std::string();
}

QuestionKind Messages::questions() { return messages::query_questions(); }

messages::Act Messages::act(store::Tx& tx, base::WallTime now, std::string actor) const {
  messages::Act made{tx, needs_.journal, needs_.bells, now, std::move(actor)};
  if (on_end_) {
    made.on_end = [this](store::Tx& inner, const Message& query) {
      return on_end_(inner, query, needs_.timeline.now());
    };
  }
  return made;
}

base::Result<Message> Messages::ask_inbox(store::Tx& tx, const Caller& caller,
                                          const agents::Agent& agent, const Ask& ask,
                                          const engine::Now& now) const {
  TRY(auto asker, sender_of(tx, caller, ask.from));
  auto draft = query_of(caller, ask, std::move(asker), party_of(agent), ask.thread);
  return messages::send(act(tx, now.wall, caller.principal), std::move(draft), {});
}

base::Result<bool> Messages::withdraw(store::Tx& tx, const std::string& query,
                                      const engine::Now& now, const std::string& actor) const {
  TRY(const auto asked, messages::get(tx, query));
  return messages::withdraw(act(tx, now.wall, actor), asked);
}

base::Result<Message> Messages::send_and_remember(const messages::Act& act, messages::Draft draft,
                                                  const messages::Request& request) {
  TRY(auto message, messages::send(act, std::move(draft), request));
  if (message.kind != Kind::answer) return message;
  TRY_OK(memory::keep_answer({act.tx, act.journal, act.now, "bridge"}, message));
  return message;
}

Task<Messages::Sent> Messages::send(Caller caller, Say say, messages::Request request) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), say = std::move(say),
                                         request = std::move(request),
                                         now](store::Tx& tx) -> base::Result<Sent> {
    TRY(auto known, messages::of_request(tx, caller.principal, request));
    if (known) return Sent{*std::move(known), true};
    TRY_OK(room_for_new(needs_.store));
    TRY(auto from, sender_of(tx, caller, say.from));
    Say whole = say;
    TRY(whole.reply_to, messages::whole_id(tx, say.reply_to, {.end = from}));
    TRY(auto to, recipient_of(tx, whole, from));
    TRY(auto message,
        send_and_remember(act(tx, now, caller.principal),
                          draft_of(caller, whole, std::move(from), std::move(to)), request));
    return Sent{std::move(message), false};
  });
}

base::Result<engine::NewJob> Messages::job_of(store::Tx& tx, const agents::Agent& agent,
                                              const Party& asker, const Ask& ask,
                                              const std::string& thread,
                                              const Caller& caller) const {
  const auto bound = chat::binding_of(agent.link);
  if (!bound || bound->origin != settings_.origin) {
    return base::fail(Code::conflict,
                      fmt::format("ask {}: its link {} is not a conversation at {}", agent.name,
                                  agent.link, settings_.origin),
                      "no_way_to_ask");
  }
  // A GPT's chats are its own; a link to one conversation shares it with whoever else is there.
  const auto lane = chat::is_new_chat(bound->path) ? lane_of_gpt(agent) : lane_of(agent.link);
  TRY_OK(needs_.queue.declare_lane(tx, lane, settings_.account, agent.link));
  // Whose chat it is: an operator who asks in an agent's name has one apart from the agent's, and
  // the runs that one began go on in one.
  const auto& person = caller.behind.empty() ? caller.principal : caller.behind;
  const auto& asker_id = caller.agent.empty() ? person : asker.id;
  return engine::NewJob{.kind = std::string(messages::query_kind),
                        .lane = lane,
                        .sender = asker.id.empty() ? asker.name : asker.id,
                        .principal = caller.principal,
                        .payload = {{"asker", asker.name},
                                    {"asker_id", asker_id},
                                    {"text", ask.text},
                                    {"context", ask.context},
                                    {"schema", ask.schema},
                                    {"agent", agent.id},
                                    {"thread", thread},
                                    {"link", agent.link}},
                        .subject = agent.id,
                        .thread = thread};
}

Task<Messages::Sent> Messages::ask(Caller caller, Ask ask, messages::Request request) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), ask = std::move(ask),
                                         request = std::move(request),
                                         now](store::Tx& tx) -> base::Result<Sent> {
    TRY(auto known, messages::of_request(tx, caller.principal, request));
    if (known) return Sent{*std::move(known), true};
    TRY_OK(room_for_new(needs_.store));
    TRY(const auto asker, sender_of(tx, caller, ask.from));
    TRY(const auto agent, agents::find(tx, ask.to));
    auto draft = query_of(caller, ask, asker, party_of(agent),
                          ask.thread.empty() ? base::uuid_v7(now) : ask.thread);
    if (is_asked_in_a_conversation(agent)) {
      TRY(const auto job, job_of(tx, agent, asker, ask, draft.thread, caller));
      TRY(const auto accepted, needs_.queue.submit(tx, job, needs_.timeline.now()));
      draft.job = accepted.job.id.text;
    }
    TRY(auto message, messages::send(act(tx, now, caller.principal), std::move(draft), request));
    return Sent{std::move(message), false};
  });
}

base::Result<> Messages::on_change(store::Tx& tx, const engine::Change& change,
                                   const engine::Now& now) {
  const engine::Job& job = change.job;
  if (job.kind != messages::query_kind || !engine::is_final(job.state)) return {};
  TRY(const auto query, messages::of_job(tx, job.id.text));
  if (!query) return {};
  const auto acting = act(tx, now.wall, "bridge");
  if (job.state != engine::State::done) {
    return messages::end(acting, *query,
                         job.error ? job.error->code : std::string(engine::name(job.state)));
  }
  TRY(const auto whole, needs_.queue.get(tx, job.id));
  const json::value nothing;
  const auto* result = whole.result ? whole.result->if_object() : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  const auto* answer = response ? response->if_object() : nullptr;
  const auto* text = answer ? answer->if_contains("text") : nullptr;
  const auto* value = answer ? answer->if_contains("value") : nullptr;
  return messages::answer(
      acting, *query, text && text->is_string() ? std::string(text->get_string()) : std::string(),
      value ? *value : nothing);
}

base::Result<> Messages::on_removal(const agents::Act& removing, const agents::Agent& agent) const {
  // A conversation that its link names may be that of others as well.
  TRY_OK(needs_.queue.retire_lane(removing.tx, lane_of_gpt(agent)));
  return messages::bury(act(removing.tx, removing.now, removing.actor), agent);
}

Task<Messages::Result> Messages::result(Caller caller, std::string which, std::string query,
                                        base::Instant deadline) {
  if (!messages::is_whole_id(query)) {
    CO_TRY(query, co_await needs_.store.read([caller, which, begins = query](store::Tx& tx) {
      return query_id(tx, caller, which, begins);
    }));
  }
  const engine::Bells::Ear ear(needs_.bells, messages::bell_of_query(query));
  for (;;) {
    const auto rung = ear.count();
    CO_TRY(auto found, co_await needs_.store.read([this, caller, which,
                                                   query](store::Tx& tx) -> base::Result<Result> {
      TRY(auto asked, messages::get(tx, query));
      TRY_OK(check_asked(tx, which, asked));
      if (!caller.agent.empty()) {
        TRY(const auto own, agents::find(tx, caller.agent));
        if (own.id != asked.recipient.id && own.id != asked.sender.id) {
          return base::fail(Code::denied, "the query is another agent's", "other_agent");
        }
      }
      TRY(auto answer, messages::answer_to(tx, query));
      Result result{std::move(asked), std::move(answer), {}};
      if (result.query.job.empty()) return result;
      TRY(result.job, needs_.queue.get(tx, {result.query.job}));
      return result;
    }));
    if (!messages::is_open(found.query) || needs_.clock.now() >= deadline) {
      if (found.answer) found.answer = co_await given(std::move(caller), *std::move(found.answer));
      co_return std::move(found);
    }
    co_await ear.wait(rung, needs_.clock, deadline);
  }
}

asio::awaitable<Message> Messages::given(Caller caller, Message answer) {
  if (caller.agent.empty() || answer.acked || answer.recipient.id.empty()) co_return answer;
  auto read = co_await needs_.store.write(
      [this, caller = std::move(caller), answer,
       now = needs_.clock.wall()](store::Tx& tx) -> base::Result<std::optional<Message>> {
        TRY(const auto own, agents::find(tx, caller.agent));
        if (own.id != answer.recipient.id) return std::nullopt;
        TRY(auto acked, messages::ack(act(tx, now, caller.principal), own, answer.id));
        return std::optional(std::move(acked));
      });
  // What cannot be noted is told all the same; it stays unread.
  const bool is_noted = read && *read;
  co_return is_noted ? **std::move(read) : std::move(answer);
}

Task<Messages::Page> Messages::list(Caller caller, std::string which, messages::Filter filter,
                                    std::int64_t after, std::size_t limit, base::Instant deadline) {
  CO_TRY(filter, co_await needs_.store.read([caller, which, asked = std::move(filter)](
                                                store::Tx& tx) -> base::Result<messages::Filter> {
    messages::Filter found = asked;
    TRY(found.agent, id_for(tx, caller, which));
    if (found.with.empty()) return found;
    TRY(found.with, id_of(tx, asked.with));
    return found;
  }));
  const engine::Bells::Ear ear(needs_.bells, messages::bell_of_inbox(filter.agent));
  for (;;) {
    const auto rung = ear.count();
    CO_TRY(auto page,
           co_await needs_.store.read([filter, after, limit](store::Tx& tx) -> base::Result<Page> {
             TRY(auto found, messages::list(tx, filter, after, limit));
             Page made{std::move(found.items), 0, found.is_end};
             TRY(made.unread, messages::unread(tx, filter.agent));
             return made;
           }));
    if (!page.messages.empty() || needs_.clock.now() >= deadline) co_return std::move(page);
    co_await ear.wait(rung, needs_.clock, deadline);
  }
}

Task<Message> Messages::ack(Caller caller, std::string which, std::string id) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which = std::move(which),
                                         id = std::move(id),
                                         now](store::Tx& tx) -> base::Result<Message> {
    TRY(const auto agent, agents::find(tx, which));
    TRY_OK(agents::check_own(tx, caller.agent, agent));
    return messages::ack(act(tx, now, caller.principal), agent, id);
  });
}

base::Result<std::vector<Messages::Delivery>> Messages::deliver(store::Tx& tx, const Caller& caller,
                                                                const Everybody& whom,
                                                                const Say& say,
                                                                base::WallTime now) const {
  TRY(const auto from, sender_of(tx, caller, say.from));
  std::vector<std::string> names = whom.to;
  if (names.empty()) {
    TRY(const auto found, everybody(tx, whom));
    for (const auto& agent : found) {
      if (agent.id != from.id) names.push_back(agent.id);
    }
  }
  if (names.size() > limits::broadcast_max) {
    return base::fail(Code::invalid,
                      fmt::format("broadcast to {} agents: at most {} at once", names.size(),
                                  limits::broadcast_max),
                      "too_many");
  }
  std::vector<Delivery> all;
  std::map<std::string, Message> reached;  // by the recipient's id
  const std::string thread = say.thread.empty() ? base::uuid_v7(now) : say.thread;
  for (const auto& name : names) {
    Say one = say;
    one.to = name;
    one.thread = thread;
    auto to = recipient_of(tx, one, from);
    if (const auto first = to ? reached.find(to->id) : reached.end(); first != reached.end()) {
      all.push_back({.to = to->name, .message = first->second, .error = {}, .is_repeat = true});
      continue;
    }
    auto sent =
        to ? send_and_remember(act(tx, now, caller.principal), draft_of(caller, one, from, *to), {})
           : base::Result<Message>(std::unexpected(to.error()));
    const auto code = sent ? Code::internal : sent.error().code;
    const bool is_its_own = code == Code::not_found || code == Code::busy;
    if (!sent && !is_its_own) return std::unexpected(std::move(sent).error());
    all.push_back({to ? to->name : name, {}, {}});
    if (sent) {
      if (!to->id.empty()) reached.emplace(to->id, *sent);
      all.back().message = *std::move(sent);
    } else {
      all.back().error = std::move(sent).error();
    }
  }
  return all;
}

Task<Messages::Broadcast> Messages::broadcast(Caller caller, Everybody whom, Say say,
                                              messages::Request request, View view) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), whom = std::move(whom),
                                         say = std::move(say), request = std::move(request),
                                         view = std::move(view),
                                         now](store::Tx& tx) -> base::Result<Broadcast> {
    TRY(auto known, agents::answer_of(tx, caller.principal, request.key, request.hash));
    if (known) return Broadcast{*std::move(known), true};
    TRY_OK(room_for_new(needs_.store));
    TRY(const auto all, deliver(tx, caller, whom, say, now));
    Broadcast made{view(all)};
    TRY_OK(agents::keep_answer({tx, needs_.journal, now, caller.principal}, request.key,
                               request.hash, made.results));
    return made;
  });
}

void Messages::start(base::Scope& tasks) { tasks.spawn(keep_house()); }

asio::awaitable<void> Messages::keep_house() {
  for (;;) {
    const auto now = needs_.clock.wall();
    (void)co_await needs_.store.write([this, now](store::Tx& tx) -> base::Result<> {
      TRY_OK(messages::sweep(act(tx, now, "bridge")));
      return {};
    });
    co_await needs_.clock.sleep_until(needs_.clock.now() + limits::letters_look);
  }
}

}  // namespace services
