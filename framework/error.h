#pragma once
#include <stdexcept>
#include <string>

namespace gradus {

// Everything Gradus throws. Thrown before anything was changed; the message names the op that the user called,
// the rule that was broken and every operand.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ShapeError : Error { using Error::Error; };           // shapes that do not fit an op, each other or the memory
struct RankError : ShapeError { using ShapeError::ShapeError; };  // more axes than Dims holds
struct AxisError : Error { using Error::Error; };            // an axis out of range or named twice
struct IndexError : Error { using Error::Error; };           // a token id, class or position out of range
struct DTypeError : Error { using Error::Error; };           // element types that do not fit
struct GradientError : Error { using Error::Error; };        // misuse of backward
struct GraphFreedError : GradientError { using GradientError::GradientError; };  // second backward without retain_graph
struct VersionError : GradientError { using GradientError::GradientError; };     // a value changed after forward
struct AnomalyError : Error { using Error::Error; };         // a NaN or an infinity, under DetectAnomaly
struct FileError : Error { using Error::Error; };            // a file that can't be read, written or believed
struct ConfigError : Error { using Error::Error; };          // a setting outside its range
struct LinAlgError : Error { using Error::Error; };          // a matrix that is singular, or not positive definite
struct NotImplementedError : Error { using Error::Error; };  // no such formula, rather than a wrong one

}  // namespace gradus
