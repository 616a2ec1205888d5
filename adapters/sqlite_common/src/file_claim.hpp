#pragma once

#include <string>

#include "connection.hpp"

namespace querymark::sqlite {

/// What a database or a tier writes into itself about the file that it stands in. A copy, however
/// it was made, brings its original's claim along, which does not fit the file that it is in: by
/// that it is told apart.
struct FileClaim {
  std::string file;     ///< device:inode; empty: nobody has opened the file yet.
  std::string birth;    ///< Of the inode, in nanoseconds since 1970; empty where not kept.
  std::string machine;  ///< The host's id; empty where it has none.
  std::string boot;     ///< Differs after every boot of the host.

  friend bool operator==(const FileClaim&, const FileClaim&) = default;
};

/// The claim on an open file, on this host.
[[nodiscard]] FileClaim claim_on(const FileIdentity& file);

/// Whether what carries the claim `found` stands in the file of the claim `now`. The device is left
/// out where births are known: it may be numbered anew at a boot, and differ between the mounts of
/// one filesystem. Another host is one whose machine id *and* boot differ: containers of one host
/// have machine ids of their own, and a host boots.
[[nodiscard]] bool same_file(const FileClaim& found, const FileClaim& now);

}  // namespace querymark::sqlite
