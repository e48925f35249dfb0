#include "cmachine.h"
