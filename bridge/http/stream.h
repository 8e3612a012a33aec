// A byte stream that may be TCP or TLS: tells when it can be read or written, and does both without
// waiting. An idle stream holds no buffers.
#pragma once

#include "bridge/base/result.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct x509_st X509;

namespace http {

class Stream {
 public:
  // What `read` and `write` give when there are no bytes or no room, and when the peer has gone.
  static constexpr std::ptrdiff_t not_now = 0;
  static constexpr std::ptrdiff_t gone = -1;

  virtual ~Stream() = default;

  virtual std::ptrdiff_t read(std::span<char> into) = 0;
  // Some of the bytes of `buffers`, from the first on.
  virtual std::ptrdiff_t write(std::span<const boost::asio::const_buffer> buffers) = 0;
  // Return when another try is worth it; false after `interrupt` or `close`.
  virtual boost::asio::awaitable<bool> readable() = 0;
  virtual boost::asio::awaitable<bool> writable() = 0;
  // False: what `read` would give, `readable` tells of, though nothing has been read before.
  virtual bool may_hold_bytes() const = 0;

  // Before anything else; false when no stream comes of it.
  virtual boost::asio::awaitable<bool> handshake() = 0;
  // Waits that are under way give false.
  virtual void interrupt() = 0;
  // No more bytes from us; the peer may still send.
  virtual void end() = 0;
  virtual void close() = 0;
};

// Certificates and keys, shared by every stream of a server or a client.
class TlsContext {
 public:
  // invalid says which file is not what it should be.
  static base::Result<TlsContext> server(const std::filesystem::path& certificate_file,
                                         const std::filesystem::path& key_file);
  // Trusts the certificates of the file only; the system's when it is empty.
  static base::Result<TlsContext> client(const std::filesystem::path& authority_file);
  // Trusts the first certificate in the file and no other, whatever name it is for.
  static base::Result<TlsContext> client_of(const std::filesystem::path& certificate_file);

  SSL_CTX* handle() const { return context_.get(); }

 private:
  std::shared_ptr<X509> only_;  // what `context_` compares with, of `client_of`
  std::shared_ptr<SSL_CTX> context_;
};

using TcpSocket = boost::asio::ip::tcp::socket;

std::unique_ptr<Stream> plain_stream(TcpSocket socket);
std::unique_ptr<Stream> tls_server_stream(TcpSocket socket, const TlsContext& context);
// The server's certificate must be for `host`, unless the context trusts a single one.
std::unique_ptr<Stream> tls_client_stream(TcpSocket socket, const TlsContext& context,
                                          const std::string& host);

}  // namespace http
