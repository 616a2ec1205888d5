#pragma once

#include "querymark/key/key.hpp"
#include "querymark/observe/hot_list.hpp"

namespace querymark {

/// What a key is called among the hot ones: as its query, with its parameters or the caller's own name.
[[nodiscard]] inline HotList::Name hot_name(const KeyView& key) noexcept {
  const bool named = key.prefix->form() == KeyPrefix::Form::named;
  return {.query = &key.prefix->record(),
          .bytes = named ? key.prefix->text() : key.parameters,
          .encoded = !named};
}

}  // namespace querymark
