#include "querymark/tier/sealing_keys.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kMaxKeyFile = 16U << 10U;

/// Bytes that are removed from memory at the end.
template <std::size_t size>
struct SecretBytes {
  SecretBytes() = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { ::OPENSSL_cleanse(bytes.data(), bytes.size()); }

  std::array<unsigned char, size> bytes{};
};

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { ::EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

// Fetched once: it takes longer than sealing a small value.
const EVP_CIPHER* aes_256_gcm() {
  static EVP_CIPHER* const cipher = ::EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

void require_openssl(bool done) {
  if (!done) throw Error("OpenSSL refuses AES-256-GCM; install libssl3 with its default provider");
}

const unsigned char* unsigned_bytes(ByteView bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// EVP counts in int.
template <class Step>
bool in_parts(ByteView bytes, Step&& step) {
  constexpr std::size_t kAtOnce = 1U << 30U;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kAtOnce, bytes.size())))
    if (!step(unsigned_bytes(bytes), static_cast<int>(std::min(kAtOnce, bytes.size()))))
      return false;
  return true;
}

int digit_value(char c) noexcept {
  if (ascii::is_digit(c)) return c - '0';
  const char lower = ascii::to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_key_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

std::string_view trimmed(std::string_view line) noexcept {
  while (!line.empty() && ascii::is_blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && ascii::is_blank(line.back())) line.remove_suffix(1);
  return line;
}

}  // namespace

struct SealingKeys::Key {
  std::string name;
  SecretBytes<kKeyBytes> secret{};

  // The key of the values of one name.
  void derive(SecretBytes<kKeyBytes>& derived, const Digest& of) const {
    require_openssl(::HMAC(::EVP_sha256(), secret.bytes.data(), kKeyBytes, of.bytes.data(),
                           of.bytes.size(), derived.bytes.data(), nullptr) != nullptr);
  }
};

SealingKeys::SealingKeys() = default;
SealingKeys::~SealingKeys() = default;

std::string_view SealingKeys::sealing() const noexcept { return keys_.front()->name; }
std::size_t SealingKeys::size() const noexcept { return keys_.size(); }

bool operator==(const SealingKeys& a, const SealingKeys& b) noexcept {
  return std::ranges::equal(a.keys_, b.keys_, [](const auto& one, const auto& other) {
    return one->name == other->name &&
           ::CRYPTO_memcmp(one->secret.bytes.data(), other->secret.bytes.data(), kKeyBytes) == 0;
  });
}

std::shared_ptr<const SealingKeys> SealingKeys::parsed(std::string_view text) {
  const std::shared_ptr<SealingKeys> parsed(new SealingKeys);
  // Says where, and nothing of what stands there.
  std::size_t line_number = 1;
  std::size_t number = 0;  // in its line
  const auto refuse = [&](const std::string& why) {
    std::string place = "sealing keys, line ";
    place += std::to_string(line_number);
    if (number > 1) place.append(", entry ").append(std::to_string(number));
    throw ConfigError(place.append(": ").append(why));
  };
  for (bool next_line = false; !text.empty();) {
    if (std::exchange(next_line, false)) {
      ++line_number;
      number = 0;
    }
    ++number;
    // A comment ends with its line, whatever stands in it.
    const std::string_view whole = text.substr(0, text.find_first_of("#,\n"));
    text.remove_prefix(whole.size());
    if (text.starts_with('#')) text.remove_prefix(std::min(text.size(), text.find('\n')));
    next_line = text.starts_with('\n');
    if (!text.empty()) text.remove_prefix(1);
    const std::string_view line = trimmed(whole);
    if (line.empty()) continue;
    const std::size_t end = std::min(line.size(), line.find_first_of(" \t="));
    const std::string_view name = line.substr(0, end);
    std::string_view digits = line.substr(end);
    while (!digits.empty() && (ascii::is_blank(digits.front()) || digits.front() == '='))
      digits.remove_prefix(1);
    if (!is_key_name(name) || digits.size() != 2 * kKeyBytes)
      refuse("not a name of 1 to 32 letters, digits, _-. and a key of 64 hexadecimal digits");
    auto key = std::make_unique<Key>();
    key->name = name;
    for (std::size_t i = 0; i < kKeyBytes; ++i) {
      const int high = digit_value(digits[2 * i]);
      const int low = digit_value(digits[2 * i + 1]);
      if (high < 0 || low < 0) refuse("the key is not hexadecimal");
      key->secret.bytes[i] = static_cast<unsigned char>(high * 16 + low);
    }
    for (const auto& other : parsed->keys_)
      if (other->name == name) refuse("this name has been given to a key before");
    if (parsed->keys_.size() == kMostKeys) refuse("too many keys");
    parsed->keys_.push_back(std::move(key));
  }
  if (parsed->keys_.empty()) throw ConfigError("sealing keys: there is none");
  return parsed;
}

std::shared_ptr<const SealingKeys> SealingKeys::from_file(const std::string& path) {
  const auto refuse = [&path](const std::string& why) {
    throw ConfigError("the file of sealing keys " + path + ' ' + why);
  };
  struct File {
    int fd;
    ~File() {
      if (fd >= 0) ::close(fd);
    }
  };
  const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  const auto reason = [] { return std::generic_category().message(errno); };
  if (file.fd < 0) refuse("can't be opened: " + reason());
  struct stat found{};
  if (::fstat(file.fd, &found) != 0) refuse("can't be looked at: " + reason());
  if (!S_ISREG(found.st_mode)) refuse("is no regular file");
  if (found.st_uid != 0 && found.st_uid != ::geteuid()) refuse("belongs to another user");
  const mode_t others = S_IRWXG | S_IRWXO;
  const mode_t allowed = found.st_uid == 0 ? S_IRGRP : 0;  // root's may have its readers
  if ((found.st_mode & others & ~allowed) != 0)
    refuse("can be used by others: chmod 600 (or 640, where it is root's)");
  SecretBytes<kMaxKeyFile> text;
  std::size_t size = 0;
  while (size < text.bytes.size()) {
    const ssize_t got = ::read(file.fd, text.bytes.data() + size, text.bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse("can't be read: " + reason());
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size == text.bytes.size()) refuse("is too large");
  try {
    return parsed({reinterpret_cast<const char*>(text.bytes.data()), size});
  } catch (const ConfigError& failure) {
    throw ConfigError(path + ": " + failure.what());
  }
}

std::shared_ptr<const SealingKeys> SealingKeys::from_environment(const std::string& variable) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): is safe unless somebody sets variables meanwhile
  const char* text = ::getenv(variable.c_str());
  if (text == nullptr)
    throw ConfigError("the variable of sealing keys " + variable + " is not set");
  try {
    return parsed(text);
  } catch (const ConfigError& failure) {
    throw ConfigError(variable + ": " + failure.what());
  }
}

void SealingKeys::seal(std::string& out, const Digest& name, ByteView authenticated,
                       ByteView bytes) const {
  SecretBytes<kKeyBytes> key;
  keys_.front()->derive(key, name);
  std::array<unsigned char, kNonceBytes> nonce{};
  require_openssl(::RAND_bytes(nonce.data(), kNonceBytes) == 1);
  const std::size_t begin = out.size();
  out.resize(begin + kNonceBytes + bytes.size() + kTagBytes);
  auto* to = reinterpret_cast<unsigned char*>(out.data()) + begin;
  to = std::ranges::copy(nonce, to).out;

  const CipherContext context(::EVP_CIPHER_CTX_new());
  int done = 0;
  require_openssl(
      context &&
      ::EVP_EncryptInit_ex2(context.get(), aes_256_gcm(), key.bytes.data(), nonce.data(),
                            nullptr) == 1 &&
      in_parts(authenticated,
               [&](const unsigned char* part, int size) {
                 return ::EVP_EncryptUpdate(context.get(), nullptr, &done, part, size) == 1;
               }) &&
      in_parts(bytes,
               [&](const unsigned char* part, int size) {
                 const bool sealed =
                     ::EVP_EncryptUpdate(context.get(), to, &done, part, size) == 1 && done == size;
                 to += size;
                 return sealed;
               }) &&
      ::EVP_EncryptFinal_ex(context.get(), to, &done) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, to) == 1);
}

std::optional<std::string> SealingKeys::open(std::string_view key_name, const Digest& name,
                                             ByteView authenticated, ByteView sealed) const {
  const auto found =
      std::ranges::find_if(keys_, [&](const auto& key) { return key->name == key_name; });
  if (found == keys_.end() || sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  SecretBytes<kKeyBytes> key;
  (*found)->derive(key, name);
  const ByteView bytes = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::array<unsigned char, kTagBytes> tag{};
  std::ranges::copy(sealed.substr(sealed.size() - kTagBytes), tag.begin());
  std::string opened(bytes.size(), '\0');
  auto* to = reinterpret_cast<unsigned char*>(opened.data());

  const CipherContext context(::EVP_CIPHER_CTX_new());
  int done = 0;
  require_openssl(
      context &&
      ::EVP_DecryptInit_ex2(context.get(), aes_256_gcm(), key.bytes.data(), unsigned_bytes(sealed),
                            nullptr) == 1 &&
      in_parts(authenticated,
               [&](const unsigned char* part, int size) {
                 return ::EVP_DecryptUpdate(context.get(), nullptr, &done, part, size) == 1;
               }) &&
      in_parts(bytes,
               [&](const unsigned char* part, int size) {
                 const bool read =
                     ::EVP_DecryptUpdate(context.get(), to, &done, part, size) == 1 && done == size;
                 to += size;
                 return read;
               }) &&
      ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  // Only now is it known whether these are anybody's bytes.
  if (::EVP_DecryptFinal_ex(context.get(), to, &done) != 1) return std::nullopt;
  return opened;
}

}  // namespace querymark
