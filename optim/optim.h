#pragma once
// Optimisers, clipping and learning-rate schedules.
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
