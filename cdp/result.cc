#include "cdp/result.h"

std::string_view cdp::name(Failure failure) {
  switch (failure) {
    case Failure::closed:
      return "closed";
    case Failure::detached:
      return "detached";
    case Failure::crashed:
      return "crashed";
    case Failure::navigated:
      return "navigated";
    case Failure::dialog:
      return "dialog";
    case Failure::timeout:
      return "timeout";
    case Failure::refused:
      return "refused";
    case Failure::thrown:
      return "thrown";
    case Failure::locked:
      return "locked";
    case Failure::launch:
      return "launch";
    case Failure::overflow:
      return "overflow";
    case Failure::invalid:
      return "invalid";
  }
  return "unknown";
}
