// One project whose daemon is killed again and again, and the judgement of what it left.
#pragma once

#include "tests/app/daemon_process.h"
#include "tests/app/process.h"
#include "tests/kill/arena.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace kill_test {

using app::Moment;

// How one life of the daemon ends.
struct Death {
  std::string point = {};                // at this fault point …
  int count = 1;                         // … when it is passed for this time
  std::chrono::milliseconds after = {};  // without a point: so long after the start
  bool spoils_reply = false;             // an answer is invalid, so that a repair is asked for

  std::string name() const;
};

struct Plan {
  std::string name;
  bool has_own_browser = false;  // that the daemon launches; else it attaches to the shared one
  std::vector<Death> deaths;
};

class World {
 public:
  World(Arena& arena, Plan plan);

  // Lives all lives, then one that ends by itself once all packets have, and looks whether every
  // promise was kept.
  void run();

  // What was broken; empty: nothing.
  const std::vector<std::string>& problems() const { return problems_; }
  const std::string& name() const { return plan_.name; }
  int lives() const { return lives_; }
  // Messages that the site has accepted.
  std::size_t messages() const { return messages_; }
  std::string summary() const;

 private:
  struct Packet {
    int number = 0;
    std::string bead;
    std::string id;     // once acknowledged
    std::string state;  // once ended
  };

  void live(const Death& death);
  void work(app::DaemonProcess& daemon, Moment& until, const Death& death);
  bool hand_in(app::DaemonCalls& calls, Packet& packet, Moment until);
  // Looks at a packet, waiting for up to `wait_s` for its end. False: the daemon does not answer.
  bool look(app::DaemonCalls& calls, Packet& packet, int wait_s, Moment until);
  void finish();
  void judge(app::DaemonCalls& calls);
  void judge_packet(app::DaemonCalls& calls, const Packet& packet);
  void judge_site();
  bool may_spoil(const Death& death) const;
  void spoil_next_reply();
  // What the daemon's browser consists of must go with the daemon.
  void expect_no_browser(const std::string& when);

  Packet* unacknowledged();
  Packet* oldest_open();
  std::size_t open_packets() const;
  Packet& new_packet();
  bool is_accepted(const Packet& packet) const;
  app::DaemonProcess::Options daemon_options(std::vector<std::string> environment) const;
  std::filesystem::path state() const { return folder_.path() / ".flywheel" / "state"; }
  void report(const std::string& what);

  Arena& arena_;
  const Plan plan_;
  app::TestFolder folder_;
  std::string url_;
  std::vector<Packet> packets_;
  std::vector<std::string> problems_;
  std::string stage_;  // of the packet that was looked at last
  std::string now_;    // what is being done, for reports
  int lives_ = 0;
  std::int64_t spoiled_ = 0;  // the last reply that was
  std::size_t messages_ = 0;
};

}  // namespace kill_test
