// What dies in a crash.
#pragma once

#include "bridge/services/packet_question.h"
#include "bridge/services/posts.h"
#include "tests/sim/fake_conversations.h"
#include "tests/sim/mortal_store.h"
#include "tests/sim/world.h"

#include <deque>
#include <map>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace sim {

struct World::Life {
  // An account's pages, and what writes into them.
  struct Writer {
    Writer(World& world, const Account& account)
        : conversations(world, account),
          exchange(conversations, world.ground.types, world.clock, account.name, world.key,
                   {.reply = reply_time, .repairs_max = 2}) {
      auto kind = services::packet_questions(world.ground.types);
      kind.sent = [&world](store::Tx& tx, const engine::Job& job, const chat::Sent& sent) {
        tx.after_commit([&world, id = job.id.text, url = sent.url] { world.noted_urls[id] = url; });
        return base::Result<>();
      };
      exchange.add_kind(std::string(services::packet_kind), std::move(kind));
      handlers[std::string(services::packet_kind)] = [this](engine::Claim claim,
                                                            engine::LaneContext& lane) {
        return exchange.handle(std::move(claim), lane);
      };
    }

    FakeConversations conversations;
    services::Exchange exchange;
    std::map<std::string, engine::Handler> handlers;
  };

  struct Lane {
    Lane(World& world, Life& life, const Chat& chat, const Writer& writer)
        : packets(life.store, *world.queue, world.journal, world.timeline, life.bells, world.clock,
                  world.ground.types, {.url = chat.url, .senders = {}, .marker_key = world.key}),
          runner(life.engine, chat.lane, writer.handlers),
          rival(life.engine, chat.lane, writer.handlers) {}

    services::Packets packets;
    engine::Runner runner;
    engine::Runner rival;
  };

  explicit Life(World& world)
      : store(world),
        bells(world.ground.loop.get_executor()),
        engine{store,
               *world.queue,
               world.clock,
               world.timeline,
               bells,
               world,
               fmt::format("life-{}", world.lives)},
        tasks(world.ground.loop.get_executor()) {
    const bool shares_nothing = world.trick == Trick::types_out_of_turn;
    const Account* account = nullptr;
    for (const auto& chat : world.chats) {
      if (shares_nothing || account != &chat.account) writers.emplace_back(world, chat.account);
      account = &chat.account;
      lanes.emplace_back(world, *this, chat, writers.back());
    }
  }

  MortalStore store;
  engine::Bells bells;
  engine::Engine engine;
  std::deque<Writer> writers;
  std::deque<Lane> lanes;
  base::Scope tasks;
};

}  // namespace sim
