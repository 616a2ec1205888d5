#pragma once

#include <string_view>

#include "analyse.hpp"
#include "connection.hpp"

namespace querymark::postgres {

/// Asks the server what a text is to it, in a transaction that is rolled back: nothing of it runs. Parameters get
/// the types that they get in a load. On a session of a primary that may make temporary functions.
/// Throws Error where the server refuses the text, or can't be asked; the connection is given up unless it is
/// as it was. Throws MalformedTree.
[[nodiscard]] Told ask_of_text(Connection& connection, std::string_view sql);

/// What is known of a text in the connection's session. Texts that are not judged are refused, with the reason;
/// throws Error where the database can't be asked, or refuses the text.
[[nodiscard]] Analysis analyse_on(Connection& connection, std::string_view sql);

}  // namespace querymark::postgres
