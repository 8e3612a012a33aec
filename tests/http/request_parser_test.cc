#include "bridge/http/request_parser.h"

#include "bridge/base/limits.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace {

using http::Request;
using http::RequestParser;

// The status that a whole request is refused with; 0 when it is accepted.
int refusal(std::string_view text) {
  Request request;
  RequestParser parser;
  const auto head = parser.head(text, request);
  if (!head) return head.error().status;
  EXPECT_GT(*head, 0u) << text;
  if (parser.framing() != RequestParser::Framing::chunked) return 0;
  const auto used = parser.chunks(text.substr(*head), request.body, 1000);
  return used ? 0 : used.error().status;
}

std::string with(std::string_view headers) {
  return fmt::format("POST /a HTTP/1.1\r\nHost: x\r\n{}\r\n", headers);
}

std::string chunked(std::string_view body) {
  return with("Transfer-Encoding: chunked\r\n") + std::string(body);
}

TEST(RequestParser, TakesOrdinaryRequests) {
  for (const std::string& text : std::vector<std::string>{
           "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
           "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
           "GET /a%20b/%C3%A4?q=%F0%9F%98%80&r HTTP/1.1\r\nHost: x\r\n\r\n",
           "PURGE /a HTTP/1.1\r\nHost: x\r\n\r\n", with("Content-Length: 0\r\n"),
           with("Content-Length: 5\r\n"), with("X-A:\r\nX-B: \t v \t\r\nX-C: \xE4\r\n"),
           with("Accept: a\r\nAccept: b\r\n"), chunked("0\r\n\r\n"),
           chunked("5\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n")}) {
    EXPECT_EQ(refusal(text), 0) << text;
  }
}

TEST(RequestParser, RefusesEveryFormOfSmuggling) {
  for (const std::string& text : std::vector<std::string>{
           with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
           with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
           with("Content-Length: 5\r\nContent-Length: 5\r\n"),
           with("Content-Length: 5\r\nContent-Length: 6\r\n"),
           with("Content-Length: 5, 5\r\n"),
           with("Content-Length: +5\r\n"),
           with("Content-Length: -5\r\n"),
           with("Content-Length: 0x5\r\n"),
           with("Content-Length: 5 5\r\n"),
           with("Content-Length:\r\n"),
           with("Content-Length: 99999999999999999999\r\n"),
           with("Content-Length: 1e3\r\n"),
           with("Content-Length: \xB2\r\n"),
           with("Transfer-Encoding: Chunked\r\n"),
           with("Transfer-Encoding: xchunked\r\n"),
           with("Transfer-Encoding: chunked, chunked\r\n"),
           with("Transfer-Encoding: gzip, chunked\r\n"),
           with("Transfer-Encoding: identity\r\n"),
           with("Transfer-Encoding: \"chunked\"\r\n"),
           with("Transfer-Encoding: chunked;a=b\r\n"),
           with("Transfer-Encoding:\r\n"),
           with("Transfer-Encoding: \x0B"
                "chunked\r\n"),
           with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
           with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
           with("Transfer-Encoding : chunked\r\n"),
           with("Content-Length : 5\r\n"),
           with("Transfer-Encoding\t: chunked\r\n"),
           with(" Transfer-Encoding: chunked\r\n"),
           with("X: y\r\n Transfer-Encoding: chunked\r\n"),
           with("X: y\r\n\tz\r\n"),
           with("X: a\rTransfer-Encoding: chunked\r\n"),
           with("X: a\nTransfer-Encoding: chunked\r\n"),
           with("X: a\r\r\n"),
           with(std::string("X: a\0b\r\n", 8)),
           with(std::string("X\0: a\r\n", 7)),
           with("X: a\x7F\r\n"),
           with("X: a\x01\r\n"),
           with("X(: a\r\n"),
           with(": a\r\n"),
           with("X\r\n"),
           with("X[]: a\r\n"),
           with("\xC3\xA4: a\r\n"),
           "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_EQ(refusal(text), 400) << text;
  }
}

TEST(RequestParser, RefusesHostsThatCouldBeReadTwoWays) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.0\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n"), 400);
}

TEST(RequestParser, RefusesWhatIsNoPlainPath) {
  for (const std::string target :
       {"http://x/", "//..",      "/..",         "/a/../b", "/a/%2e%2E/b", "/a/..%2fb",
        "/%00",      "/a%0d%0ab", "/%",          "/%4",     "/%zz",        "/%ff",
        "/%c0%af",   "/a\\b",     "/a%5c..%5cb", "x:80",    "*",           "/a#b",
        "/a\"b",     "/\x7F",     "/\xC3\xA4",   "/./a",    "/a/%2e",      "/%ed%a0%80"}) {
    EXPECT_EQ(refusal("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"), 400) << target;
  }
}

TEST(RequestParser, RefusesOddRequestLines) {
  for (const std::string line :
       {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET / http/1.1",
        "GET / HTTP/1.1x", "GET / HTTP/11", "GET\t/ HTTP/1.1", "G(T / HTTP/1.1", "get / HTTP/1.1",
        "\r\nGET / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1."}) {
    EXPECT_EQ(refusal(line + "\r\nHost: x\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(refusal("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(refusal("GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(refusal("GET / HTTP/0.9\r\nHost: x\r\n\r\n"), 505);
}

TEST(RequestParser, RefusesChunksThatOthersReadDifferently) {
  for (const std::string body :
       {"5;ext=1\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhelloX0\r\n\r\n",
        "\r\n0\r\n\r\n", "g\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n",
        "0\r\nTrailer: x\r\n\r\n", "5\rhello\r\n0\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n", "0;a\r\n\r\n"}) {
    EXPECT_EQ(refusal(chunked(body)), 400) << body;
  }
  EXPECT_EQ(refusal(chunked(std::string(17, '0'))), 400);
  EXPECT_EQ(refusal(chunked("7d0\r\n" + std::string(2000, 'x'))), 413);
}

TEST(RequestParser, NamesWhatIsTooLarge) {
  const auto many = [](std::size_t count) {
    std::string headers;
    for (std::size_t i = 0; i < count; ++i) headers += fmt::format("X-{}: y\r\n", i);
    return headers;
  };
  EXPECT_EQ(refusal(with(many(limits::http_headers_max - 1))), 0);
  EXPECT_EQ(refusal(with(many(limits::http_headers_max))), 431);
  EXPECT_EQ(refusal(with("X: " + std::string(limits::http_head_bytes_max, 'x') + "\r\n")), 431);
  const std::string path(limits::http_target_bytes_max, 'a');
  EXPECT_EQ(refusal("GET /" + path + " HTTP/1.1\r\nHost: x\r\n\r\n"), 414);
  EXPECT_EQ(refusal("GET /" + path + path + path + " HTTP/1.1\r\nHost: x\r\n\r\n"), 414);
  EXPECT_EQ(refusal("GET /" + path.substr(1) + " HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
}

TEST(RequestParser, RefusesOtherProtocolsAtTheirFirstBytes) {
  Request request;
  EXPECT_FALSE(RequestParser().head("\x16\x03\x01", request));
  EXPECT_FALSE(RequestParser().head("GET / HTTP/1.1\n", request));
}

TEST(RequestParser, ReadsTheSameWhereverTheBytesAreCut) {
  const std::string text = chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /next");
  for (std::size_t step = 1; step < text.size(); ++step) {
    Request request;
    RequestParser parser;
    std::size_t seen = 0;
    std::size_t head = 0;
    while (head == 0) {
      seen = std::min(seen + step, text.size());
      const auto size = parser.head(std::string_view(text).substr(0, seen), request);
      ASSERT_TRUE(size);
      head = *size;
    }
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.header("HOST"), "x");
    std::size_t used = head;
    while (!parser.is_done()) {
      const auto taken =
          parser.chunks(std::string_view(text).substr(used, seen - used), request.body, 100);
      ASSERT_TRUE(taken);
      used += *taken;
      seen = std::min(seen + step, text.size());
    }
    EXPECT_EQ(request.body, "hello world");
    EXPECT_EQ(text.substr(used), "GET /next");
  }
}

TEST(RequestParser, KnowsWhenAConnectionMayGoOn) {
  const auto keeps = [](std::string_view text) {
    Request request;
    RequestParser parser;
    EXPECT_TRUE(parser.head(text, request));
    return parser.keeps_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"));
}

}  // namespace
