#pragma once

// What most suites include. Precompiled under the sanitizers (QUERYMARK_PRECOMPILE), where compiling
// is most of the time; each suite includes what it uses all the same, and the dev build sees to it.

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "querymark/querymark.hpp"
