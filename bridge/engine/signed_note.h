// C2SP signed notes and the checkpoints in them: origin\nsize\nbase64(root)\n, signed by Ed25519.
#pragma once

#include "bridge/base/hash.h"
#include "bridge/base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace engine {

// Signs under a name that is also the origin of the checkpoints ("flywheel/3f2a…"): not empty, no
// white space, no "+".
class NoteSigner {
 public:
  static NoteSigner generate(std::string name);
  // `pem` from private_key_pem(). invalid: not an Ed25519 key.
  static base::Result<NoteSigner> from_pem(std::string name, std::string_view pem);

  // Signs `text`, which ends with a line feed; gives the whole note.
  std::string sign(std::string_view text) const;
  const std::string& name() const { return name_; }
  std::string private_key_pem() const;
  // name+hash+base64(0x01 and the key), as tools for signed notes take it.
  std::string verifier_key() const;

 private:
  NoteSigner(std::string name, std::shared_ptr<evp_pkey_st> key);
  std::string name_;
  std::shared_ptr<evp_pkey_st> key_;
};

// The text of a note that carries a good signature by `verifier_key`. denied: none is good;
// invalid: not a note or not a key.
base::Result<std::string> open_note(std::string_view note, std::string_view verifier_key);

struct Checkpoint {
  std::string origin;
  std::int64_t size = 0;
  base::Sha256 root{};

  std::string text() const;
  // Extension lines after the root are ignored.
  static base::Result<Checkpoint> parse(std::string_view text);
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

}  // namespace engine
