// flywheel drain --stop: beside a daemon whose address a service manager holds, and beside one that
// is elsewhere.
#include "bridge/base/json.h"
#include "tests/app/service.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Listens on loopback as a socket unit does: longer than who serves it. Programs inherit it.
class HeldAddress {
 public:
  HeldAddress() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 16), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port));
  }
  HeldAddress(const HeldAddress&) = delete;
  HeldAddress& operator=(const HeldAddress&) = delete;
  ~HeldAddress() { ::close(socket_); }

  int descriptor() const { return socket_; }
  const std::string& url() const { return url_; }
  // True: somebody waits to be served, and systemd would start a daemon for that.
  bool has_caller() const {
    pollfd waited{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&waited, 1, 0) > 0;
  }

 private:
  int socket_;
  std::string url_;
};

class DrainOfASocketUnit : public testing::Test {
 protected:
  void SetUp() override {
    folder.write(".flywheel/chatgpt.json",
                 R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                     "writer_agent": "tester"})");
    const Manager manager(folder.path() / "notify");
    const Environment environment({{"NOTIFY_SOCKET", folder.path() / "notify"}});
    service.emplace(
        std::vector<std::string>{"serve", "--headless"}, folder,
        std::vector<std::string>{"bash", "-c",
                                 R"(exec 3<&"$0"; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@")",
                                 std::to_string(address.descriptor())});
    ASSERT_THAT(manager.until("READY=1"), Not(IsEmpty())) << folder.read("log");
    ASSERT_THAT(folder.read(".flywheel/state/daemon.json"), HasSubstr(address.url()));
  }
  void expect_gone(const Finished& drained) {
    EXPECT_EQ(drained.status, 0) << drained.err << folder.read("log");
    const auto told = base::parse_json(drained.out);
    ASSERT_TRUE(told) << drained.out;
    EXPECT_EQ(told->at("left"), 0);
    EXPECT_EQ(service->wait(), 0) << folder.read("log");
    EXPECT_FALSE(address.has_caller());
  }

  TestFolder folder;
  HeldAddress address;
  std::optional<Service> service;
};

TEST_F(DrainOfASocketUnit, StartsNoOtherDaemon) {
  expect_gone(flywheel({"drain", "--stop", "--json"}, {}, folder.path()));
}

TEST_F(DrainOfASocketUnit, StartsNoOtherDaemonFromElsewhereEither) {
  std::string key = folder.read(".flywheel/state/admin.key");
  while (key.ends_with('\n')) key.pop_back();
  const TestFolder elsewhere;
  const Environment place({{"FLYWHEEL_URL", address.url()}, {"FLYWHEEL_KEY", key}});
  expect_gone(flywheel({"drain", "--stop", "--json"}, {}, elsewhere.path()));
}

// It says that it still has something to do, and goes with its connection.
TEST(DrainFromElsewhere, SaysWhatIsNotKnown) {
  const HeldAddress address;
  std::jthread daemon([&address] {
    const int caller = ::accept(address.descriptor(), nullptr, nullptr);
    std::string heard;
    std::array<char, 4096> piece{};
    while (heard.find("\r\n\r\n{}") == std::string::npos) {
      const auto size = ::recv(caller, piece.data(), piece.size(), 0);
      if (size <= 0) break;
      heard.append(piece.data(), static_cast<std::size_t>(size));
    }
    const std::string_view view = R"({"depths": {"queued": 1, "running": 1}, "drained": false})";
    const auto answer = fmt::format(
        "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        view.size(), view);
    EXPECT_EQ(::send(caller, answer.data(), answer.size(), MSG_NOSIGNAL), ssize_t(answer.size()));
    ::close(caller);
  });
  const TestFolder folder;
  const Environment place({{"FLYWHEEL_URL", address.url()}, {"FLYWHEEL_KEY", "a-key"}});
  const auto drained = flywheel({"drain", "--stop", "--json"}, {}, folder.path());
  EXPECT_EQ(drained.status, 1) << drained.err;
  EXPECT_THAT(drained.err, HasSubstr("what is left is not known here: before, it was 2 jobs"));
  const auto told = base::parse_json(drained.out);
  ASSERT_TRUE(told) << drained.out;
  EXPECT_TRUE(told->at("left").is_null());
  EXPECT_FALSE(address.has_caller());
}

}  // namespace
}  // namespace app
