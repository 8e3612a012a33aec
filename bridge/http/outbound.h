// Requests to servers that somebody else chose, over sockets. See services/events/outbound.h.
#pragma once

#include "bridge/http/stream.h"
#include "bridge/services/events/outbound.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace http {

class Internet final : public events::Outbound {
 public:
  // Servers must be known to the certificates of the file, or to the system's when it is empty.
  // invalid: it cannot be read. The system's are read when the first server wants them.
  static base::Result<std::unique_ptr<Internet>> create(
      const std::filesystem::path& authority_file = {});

  base::Task<std::vector<events::Address>> resolve(std::string host) override;
  base::Task<events::OutboundAnswer> send(events::OutboundRequest request) override;

 private:
  Internet() = default;
  base::Result<TlsContext*> tls();
  base::Task<std::unique_ptr<Stream>> connect(const events::OutboundRequest& request);
  base::Task<events::OutboundAnswer> exchange(events::OutboundRequest request);

  std::optional<TlsContext> tls_;
};

}  // namespace http
