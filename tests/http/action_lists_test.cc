// How actions, and what was asked for, are listed and called.
#include "bridge/base/hash.h"
#include "bridge/services/actions/action_limits.h"
#include "tests/http/acting.h"
#include "tests/http/pages.h"

#include <algorithm>

namespace http_test {
namespace {

TEST(ActionLists, WhatMayBeAskedForIsListedInPagesWithAllThatIsSwitchedOff) {
  Acting f;
  f.act([&]() -> Story {
    const auto all = co_await paged(f, "/api/actions", "name", 500);
    EXPECT_GE(all.size(), 4u);
    EXPECT_EQ(co_await paged(f, "/api/actions", "name", 1), all);
    const auto killed =
        co_await f.post(f.admin, "actions/kill",
                        json::object{{"action", all.back()}, {"on", true}, {"reason", "not now"}});
    EXPECT_EQ(killed.json().at("items").as_array().size(), all.size()) << killed.body;
    const auto first = co_await f.call("GET", "/api/actions?limit=1");
    EXPECT_EQ(text(first.json().at("items").at(0), "name"), all.front());
    EXPECT_EQ(text(first.json().at("switched_off"), "action:" + all.back()), "not now");
  });
}

TEST(ActionLists, APageOfLongWishesEndsBeforeItsLimitAndTheNextGoesOn) {
  Acting f;
  f.act([&]() -> Story {
    const json::object params{{"why", std::string(180'000, 'x')}};
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < limits::list_part_bytes / 180'000 + 5; ++i) {
      f.clock.advance(std::chrono::milliseconds(5));
      const auto asked = co_await f.execute(f.builder, "builder", "wipe", params);
      EXPECT_EQ(asked.status, 202) << asked.body.substr(0, 500);
      ids.push_back(text(asked.json(), "id"));
    }
    std::ranges::reverse(ids);
    EXPECT_EQ(co_await paged(f, "/api/approvals", "id", 500), ids);
    const auto first = co_await f.call("GET", "/api/approvals?limit=500");
    EXPECT_LT(first.json().at("items").as_array().size(), ids.size());
    EXPECT_LT(first.body.size(), 2 * limits::list_part_bytes);
  });
}

TEST(ActionLists, OneIsCalledByTheBeginningOfItsId) {
  Acting f;
  f.act([&]() -> Story {
    std::vector<std::string> ids;
    for (int i = 0; i < 2; ++i) {
      const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
      ids.push_back(text(asked.json(), "id"));
    }
    const auto differ = std::ranges::mismatch(ids[0], ids[1]).in1 - ids[0].begin();
    const auto common = ids[0].substr(0, static_cast<std::size_t>(differ));
    EXPECT_GE(common.size(), limits::id_prefix_min);
    const auto unique = ids[0].substr(0, common.size() + 1);
    const auto look = [&](const std::string& which) {
      return f.call("GET", "/api/approvals/" + which);
    };
    EXPECT_EQ((co_await look(common)).json().at("code"), "ambiguous_id");
    EXPECT_EQ((co_await f.decide(f.anna, common)).json().at("code"), "ambiguous_id");
    EXPECT_EQ((co_await look(ids[0].substr(0, 3))).status, 404);
    EXPECT_EQ(text((co_await look(unique)).json(), "id"), ids[0]);
    const auto early = co_await f.resolve(f.anna, unique, "sent");
    EXPECT_EQ(early.json().at("code"), "not_held") << early.body;
    const auto undo = co_await f.post(f.anna, "approvals/" + unique + "/undo", nullptr);
    EXPECT_EQ(undo.status, 409) << undo.body;
    EXPECT_EQ((co_await f.decide(f.anna, unique)).status, 200);
    EXPECT_EQ(co_await f.becomes(unique), "done");
    EXPECT_EQ(co_await f.becomes(ids[1]), "waiting");
  });
}

TEST(ActionLists, WhatWasAskedForAndWhatItGaveIsMarkedUntrusted) {
  Acting f;
  f.act([&]() -> Story {
    const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    const auto id = text(asked.json(), "id");
    const auto waiting = co_await f.call("GET", "/api/approvals?state=waiting");
    const auto item = waiting.json().at("items").at(0).as_object();
    EXPECT_EQ(text(item, "id"), id);
    EXPECT_EQ(text(item, "params_trust"), "untrusted");
    const auto before = (co_await f.call("GET", "/api/approvals/" + id)).json().as_object();
    EXPECT_EQ(text(before, "params_trust"), "untrusted");
    EXPECT_TRUE(before.at("result").is_null());
    EXPECT_FALSE(before.contains("result_trust")) << "it has given nothing";

    EXPECT_EQ((co_await f.decide(f.anna, id)).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    const auto after = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_FALSE(after.at("result").is_null());
    EXPECT_EQ(text(after, "result_trust"), "untrusted");
  });
}

TEST(ActionLists, WhichComeFirstIsSaidInWordsThatAreKnown) {
  Acting f;
  f.act([&]() -> Story {
    std::vector<std::string> ids;
    for (int i = 0; i < 2; ++i) {
      f.clock.advance(std::chrono::milliseconds(5));  // ids tell apart what is no more than that
      const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
      ids.push_back(text(asked.json(), "id"));
    }
    const auto first = [&](std::string oldest) -> asio::awaitable<std::string> {
      const auto page = co_await f.call("GET", "/api/approvals?oldest=" + oldest);
      EXPECT_EQ(page.status, 200) << page.body;
      co_return text(page.json().at("items").at(0), "id");
    };
    for (const auto* yes : {"true", "1"}) EXPECT_EQ(co_await first(yes), ids[0]) << yes;
    for (const auto* no : {"false", "0"}) EXPECT_EQ(co_await first(no), ids[1]) << no;
    const auto wrong = co_await f.call("GET", "/api/approvals?oldest=yes");
    EXPECT_EQ(wrong.status, 400) << wrong.body;
    EXPECT_EQ(wrong.json().at("code"), "invalid_query");
  });
}

TEST(ActionLists, TheJournalHasTheParametersOfWhatIsRiskyAndWhatWasDenied) {
  Acting f;
  f.act([&]() -> Story {
    co_await f.execute(f.builder, "builder", "greet", {{"name", "x"}});
    co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    co_await f.execute(f.guest, "guest", "greet", {{"name", "x"}});

    const auto page = co_await f.call("GET", "/api/audit?type=action.requested");
    const auto asked = page.json().at("items").as_array();
    EXPECT_EQ(asked.size(), 2u) << page.body;
    const auto harmless = asked.at(0).at("data").as_object();
    EXPECT_EQ(harmless.at("risk"), 10);
    EXPECT_FALSE(harmless.contains("params"));
    const auto risky = asked.at(1).at("data").as_object();
    EXPECT_EQ(risky.at("risk"), 70);
    EXPECT_EQ(risky.at("params"), (json::object{{"name", "root"}}));
    const auto denied = co_await f.call("GET", "/api/audit?type=action.denied");
    EXPECT_EQ(text(denied.json().at("items").at(0).at("data"), "code"), "tier_too_low");
  });
}

TEST(ActionLists, TheJournalHasTheParametersOrWhereTheyAreLongTheirHash) {
  Acting f;
  f.build_actions({{"keep", json::object{{"kind", "program"},
                                         {"description", "Keeps."},
                                         {"risk", limits::risk_audited + 10},
                                         {"min_tier", "operator"},
                                         {"argv", json::array{"/bin/echo", "kept"}},
                                         {"params", json::object{{"type", "object"}}}}}});
  f.act([&]() -> Story {
    const auto told = [&](json::object params) -> asio::awaitable<json::value> {
      const auto done = co_await f.execute(f.builder, "builder", "keep", params);
      EXPECT_EQ(done.json().at("state"), "done") << done.body;
      const auto entry = co_await f.call(
          "GET", "/api/audit?type=action.requested&subject=" + text(done.json(), "id"));
      co_return entry.json().at("items").at(0).at("data");
    };
    const json::object brief{{"text", "x"}};
    const auto whole = co_await told(brief);
    EXPECT_EQ(whole.at("params"), json::value(brief));
    const json::object params{{"text", std::string(100'000, 'x')}};
    const auto hashed = co_await told(params);
    EXPECT_FALSE(hashed.as_object().contains("params"));
    EXPECT_EQ(text(hashed, "params_sha256"), base::sha256_hex(base::canonical_json(params)));
    EXPECT_EQ(hashed.at("params_bytes").to_number<std::size_t>(),
              base::canonical_json(params).size());
  });
}

}  // namespace
}  // namespace http_test
