// Talks to a daemon, from the command line's side.
#pragma once

#include "bridge/base/result.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

namespace http {

namespace json = boost::json;

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  std::optional<json::value> body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::chrono::steady_clock::duration limit = std::chrono::seconds(60);
  // False: only over the connection that is kept; unavailable where there is none any more.
  bool may_connect = true;
};

struct ClientReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::optional<std::string_view> header(std::string_view lower_case_name) const;
  bool is_success() const { return status >= 200 && status < 300; }
  // The body, or null when it is no JSON.
  json::value json() const;
};

struct ClientEvent {
  std::string id;    // the last id of the stream so far
  std::string name;  // "message" when the stream names none
  std::string data;
};

// One connection that is kept and reopened as needed. One call at a time.
class Client {
 public:
  // `url` is "http://HOST:PORT" or "https://HOST:PORT"; `token` goes into Authorization unless it
  // is empty. `authority_file`: the PEM certificates that an https server must chain to.
  // `certificate_file`, if given: the one that it must show instead, whatever name it is for.
  Client(std::string url, std::string token, std::string authority_file = {},
         std::string certificate_file = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any status is a reply. unavailable: nothing listens there, or the connection broke before the
  // answer (a request that is no GET may have been carried out). timeout: no answer in time.
  base::Task<ClientReply> call(ClientRequest request);

  // An error instead of a reply that is no success: the code that fits the status and the
  // problem's detail and code.
  base::Task<ClientReply> call_well(ClientRequest request);
  // The same for who wants nothing but the body.
  base::Task<json::value> call_json(ClientRequest request);
  // The same for what is no JSON.
  base::Task<std::string> call_bytes(ClientRequest request);

  // Reads an event stream until it ends or `sink` gives false. `limit` bounds the silence between
  // two reads (servers send a comment every 15 s).
  base::Task<> events(ClientRequest request, std::function<bool(const ClientEvent&)> sink);

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace http
