#include "bridge/services/events/outbound.h"

namespace events {

std::string_view OutboundAnswer::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

base::Task<std::vector<Address>> resolve_checked(Outbound& outbound, const Target& target,
                                                 const std::vector<Network>& allowed) {
  std::vector<Address> addresses;
  if (target.address) {
    addresses.push_back(*target.address);
  } else {
    CO_TRY(addresses, co_await outbound.resolve(target.host));
  }
  co_return checked_addresses(target, std::move(addresses), allowed);
}

}  // namespace events
