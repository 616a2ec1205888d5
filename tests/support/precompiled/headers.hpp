#pragma once

// What most suites include, precompiled (QUERYMARK_PRECOMPILE), since reading headers is half of a
// build's time. Each suite includes what it uses all the same; the preset clang, which precompiles
// nothing and joins nothing, sees to it.

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
