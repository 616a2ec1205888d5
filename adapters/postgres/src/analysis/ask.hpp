#pragma once

#include <string_view>

#include "analyse.hpp"
#include "connection.hpp"
#include "session.hpp"

namespace querymark::postgres {

/// In what session a text is analysed, and by what is taken for granted.
struct AnalysedIn {
  SettingList
      settings{};  ///< Hold for the transaction of the analysis, from before the text is read.
  Promises promises{};
  bool polled = false;  ///< Changes of definitions are found where nothing reports them.
};

/// Asks the server what a text is to it, in a transaction that is rolled back: nothing of it runs. Parameters get
/// the types that they get in a load. On a session of a primary that may make temporary functions.
/// Throws Error where the server refuses the text, or can't be asked; the connection is given up unless it is
/// as it was, but for what the session can't forget of custom settings. Throws MalformedTree.
[[nodiscard]] Told ask_of_text(Connection& connection, const AnalysedIn& in, std::string_view sql);

/// What is known of a text in the connection's session. Texts that are not judged are
/// refused, with the reason; throws Error where the database can't be asked, or refuses the text.
[[nodiscard]] Analysis analyse_on(Connection& connection, const AnalysedIn& in,
                                  std::string_view sql);

/// Why a text can't be judged, where a failure says that; empty: the failure is another one.
[[nodiscard]] std::string refusal_of(const Error& failure);

}  // namespace querymark::postgres
