#include "bridge/base/faults.h"

#include <charconv>
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

namespace base {

Result<std::unique_ptr<FatalFault>> FatalFault::parse(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view point = text.substr(0, colon);
  int count = 1;
  bool is_number = true;
  if (colon != text.npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    is_number = error == std::errc() && end == digits.data() + digits.size() && count > 0;
  }
  if (point.empty() || !is_number) {
    return fail(Code::invalid,
                fmt::format("{}={}: must be POINT or POINT:COUNT, such as exchange.armed:2",
                            variable, text),
                "configuration");
  }
  return std::unique_ptr<FatalFault>(new FatalFault(std::string(point), count));
}

Result<> FatalFault::at(std::string_view point) {
  if (point == point_ && --left_ == 0) {
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();  // The signal may take a moment to reach every thread.
  }
  return {};
}

Result<std::unique_ptr<Faults>> faults_of_environment() {
  const char* text = std::getenv(FatalFault::variable);
  if (text == nullptr || *text == '\0') return std::make_unique<Faults>();
  TRY(auto fault, FatalFault::parse(text));
  return std::unique_ptr<Faults>(std::move(fault));
}

}  // namespace base
