// The loss of a batch. See loss.cpp.
#pragma once
#include <cstdint>

// Mean cross-entropy of logits [num_images][num_classes], with its gradient. Of `classes` and `probabilities` one is
// null: labels are the index of a class, or a share for each class.
struct CrossEntropy {
    int64_t num_images, num_classes;
    double label_smoothing;
    const float *logits;
    const int64_t *classes;
    const float *probabilities;
    float *gradient;      // of the loss, [num_images][num_classes]; written
    double loss;          // in nats; written
    int64_t num_correct;  // images whose largest logit is that of their label; written
};

// False for an index of a class that does not exist.
bool labels_exist(const CrossEntropy &task);
void cross_entropy(CrossEntropy &task);
