// A certificate for servers on loopback.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace http_test {

// A self-signed certificate for localhost, in a folder that goes with it.
class Certificate {
 public:
  Certificate()
      : folder_(std::filesystem::temp_directory_path() / fmt::format("tls-test-{}", getpid())) {
    std::filesystem::create_directories(folder_);
    renew();
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }

  // Another one in its place.
  void renew(std::string_view names = "DNS:localhost,IP:127.0.0.1") const {
    const auto made = std::system(
        fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                    "-subj /CN=localhost -addext subjectAltName={} -keyout {} -out {} 2>/dev/null",
                    names, key().string(), file().string())
            .c_str());
    EXPECT_EQ(made, 0);
  }

  std::filesystem::path file() const { return folder_ / "certificate.pem"; }
  std::filesystem::path key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace http_test
