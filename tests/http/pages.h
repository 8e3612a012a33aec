// Lists, page by page.
#pragma once

#include "tests/http/api_fixture.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace http_test {

// What `member` says in every item of the list, which comes in pages of so many.
inline asio::awaitable<std::vector<std::string>> paged(ApiFixture& f, std::string path,
                                                       std::string member, std::size_t limit) {
  std::vector<std::string> found;
  std::string target = path + "?limit=" + std::to_string(limit);
  while (!target.empty()) {
    const auto page = co_await f.call("GET", target);
    EXPECT_EQ(page.status, 200) << page.body;
    if (page.status != 200) break;
    const auto items = page.json().at("items").as_array();
    EXPECT_LE(items.size(), limit);
    for (const auto& item : items) found.push_back(text(item, member));
    const auto link = page.header("link");
    target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    if (items.empty()) break;
  }
  co_return found;
}

}  // namespace http_test
