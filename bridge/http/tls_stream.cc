// OpenSSL on the socket itself: no buffers of ours in between, and none of OpenSSL's while idle.
#include "bridge/http/stream.h"

#include <cerrno>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

namespace http {
namespace {

namespace asio = boost::asio;

int descriptor(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE at a peer that has gone.
int send_bytes(BIO* bio, const char* bytes, int size) {
  const auto count = ::send(descriptor(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int receive_bytes(BIO* bio, char* bytes, int size) {
  const auto count = ::recv(descriptor(bio), bytes, static_cast<std::size_t>(size), 0);
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(count);
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BRIDGE_ASSERT(made != nullptr);
    BIO_meth_set_write(made, send_bytes);
    BIO_meth_set_read(made, receive_bytes);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return method;
}

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsStream final : public Stream {
 public:
  TlsStream(TcpSocket socket, const TlsContext& context)
      : socket_(std::move(socket)), ssl_(SSL_new(context.handle())) {
    BRIDGE_ASSERT(ssl_ != nullptr);
    boost::system::error_code ignored;  // A peer that has gone shows at the handshake.
    socket_.non_blocking(true, ignored);
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    BIO* bio = BIO_new(socket_method());
    BRIDGE_ASSERT(bio != nullptr);
    BIO_set_data(bio, reinterpret_cast<void*>(std::intptr_t{socket_.native_handle()}));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  void accepts() { SSL_set_accept_state(ssl_.get()); }
  void connects_to(const std::string& host) {
    SSL_set_connect_state(ssl_.get());
    boost::system::error_code is_name;
    asio::ip::make_address(host, is_name);
    if (is_name) {
      SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
      SSL_set1_host(ssl_.get(), host.c_str());
    } else {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
    }
  }

  std::ptrdiff_t read(std::span<char> into) override {
    if (is_broken_) return gone;
    ERR_clear_error();
    std::size_t count = 0;
    const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    return outcome(done, count);
  }

  std::ptrdiff_t write(std::span<const asio::const_buffer> buffers) override {
    if (is_broken_) return gone;
    for (const auto& buffer : buffers) {
      if (buffer.size() == 0) continue;
      ERR_clear_error();
      std::size_t count = 0;
      const int done = SSL_write_ex(ssl_.get(), buffer.data(), buffer.size(), &count);
      return outcome(done, count);
    }
    return not_now;
  }

  asio::awaitable<bool> readable() override { return wait(); }
  asio::awaitable<bool> writable() override { return wait(); }
  bool may_hold_bytes() const override { return true; }

  asio::awaitable<bool> handshake() override {
    while (true) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      if (done == 1) co_return true;
      if (outcome(done, 0) == gone || !co_await wait()) co_return false;
    }
  }

  void interrupt() override {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  void end() override {
    say_goodbye();
    boost::system::error_code ignored;
    socket_.shutdown(TcpSocket::shutdown_send, ignored);
  }
  void close() override {
    if (!socket_.is_open()) return;
    say_goodbye();
    is_broken_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void say_goodbye() {
    if (is_broken_ || SSL_in_init(ssl_.get())) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

  // What the last call to OpenSSL came to; remembers what it waits for.
  std::ptrdiff_t outcome(int done, std::size_t count) {
    if (done == 1) return count == 0 ? gone : static_cast<std::ptrdiff_t>(count);
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      wants_ = why == SSL_ERROR_WANT_READ ? TcpSocket::wait_read : TcpSocket::wait_write;
      return not_now;
    }
    is_broken_ = why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
    return gone;
  }

  asio::awaitable<bool> wait() {
    boost::system::error_code error;
    co_await socket_.async_wait(wants_, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  TcpSocket socket_;
  std::unique_ptr<SSL, SslFree> ssl_;
  TcpSocket::wait_type wants_ = TcpSocket::wait_read;
  bool is_broken_ = false;  // nothing more may be asked of `ssl_`
};

std::shared_ptr<SSL_CTX> new_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  BRIDGE_ASSERT(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}

std::unexpected<base::Error> bad_file(std::string_view what, const std::filesystem::path& file) {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  // Files are renewed one after the other: a next try may find them well.
  return base::fail(base::Code::unavailable,
                    fmt::format("read the {} in {}: {}", what, file.string(),
                                reason == nullptr ? "unreadable" : reason),
                    "file_failed");
}

// In place of all checks of OpenSSL.
int is_the_only_one(X509_STORE_CTX* shown, void* only) {
  const X509* certificate = X509_STORE_CTX_get0_cert(shown);
  if (certificate != nullptr && X509_cmp(certificate, static_cast<const X509*>(only)) == 0)
    return 1;
  X509_STORE_CTX_set_error(shown, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

// "http/1.1" is all that is spoken; a client that offers only others is turned away by RFC 7301.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  static constexpr unsigned char own[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, own, sizeof(own) - 1, offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

base::Result<TlsContext> TlsContext::server(const std::filesystem::path& certificate_file,
                                            const std::filesystem::path& key_file) {
  TlsContext tls;
  tls.context_ = new_context(TLS_server_method());
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(tls.handle(), certificate_file.c_str()) != 1) {
    return bad_file("certificate", certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(tls.handle(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("private key", key_file);
  }
  if (SSL_CTX_check_private_key(tls.handle()) != 1) return bad_file("private key", key_file);
  SSL_CTX_set_alpn_select_cb(tls.handle(), choose_protocol, nullptr);
  // Sessions of one client cannot be told from another's without certificates; tickets suffice.
  SSL_CTX_set_session_cache_mode(tls.handle(), SSL_SESS_CACHE_OFF);
  return tls;
}

base::Result<TlsContext> TlsContext::client(const std::filesystem::path& authority_file) {
  TlsContext tls;
  tls.context_ = new_context(TLS_client_method());
  ERR_clear_error();
  const int loaded = authority_file.empty()
                         ? SSL_CTX_set_default_verify_paths(tls.handle())
                         : SSL_CTX_load_verify_file(tls.handle(), authority_file.c_str());
  if (loaded != 1) return bad_file("certificates", authority_file);
  SSL_CTX_set_verify(tls.handle(), SSL_VERIFY_PEER, nullptr);
  return tls;
}

base::Result<TlsContext> TlsContext::client_of(const std::filesystem::path& certificate_file) {
  TlsContext tls;
  tls.context_ = new_context(TLS_client_method());
  ERR_clear_error();
  const std::unique_ptr<BIO, int (*)(BIO*)> file(BIO_new_file(certificate_file.c_str(), "r"),
                                                 BIO_free);
  if (file) {
    tls.only_.reset(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free);
  }
  if (!tls.only_) return bad_file("certificate", certificate_file);
  SSL_CTX_set_verify(tls.handle(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(tls.handle(), is_the_only_one, tls.only_.get());
  return tls;
}

std::unique_ptr<Stream> tls_server_stream(TcpSocket socket, const TlsContext& context) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), context);
  stream->accepts();
  return stream;
}

std::unique_ptr<Stream> tls_client_stream(TcpSocket socket, const TlsContext& context,
                                          const std::string& host) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), context);
  stream->connects_to(host);
  return stream;
}

}  // namespace http
