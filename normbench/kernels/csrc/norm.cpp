// Batch norm, group norm, instance norm, layer norm over images: norms with a mean and a variance of a reduction region
// and an affine map of each channel. Also batch renormalization, which is batch norm with a corrected affine map.
//
// saved: mean and rstd of each region; for renorm also weight, bias, r and d of each channel.
// workspace: two values for each image and channel, then two for each region.
#include "normalize.h"

// r and d are bounded by r_max and d_max, which grow linearly: from 1 and 0, up to step warmup_steps, to their full
// values, from step r_steps and d_steps on.
struct RenormDesc {
    NormDesc norm;  // first: a pointer to a RenormDesc is one to its norm
    double r_max, d_max;
    int64_t warmup_steps, r_steps, d_steps;
};

namespace {

struct Statistics {
    float *mean, *rstd;

    explicit Statistics(const OpArgs &args) : mean((float *)args.saved), rstd(mean + norm_desc(args).num_regions()) {}
    float *end() const { return rstd + (rstd - mean); }
};

struct Workspace {
    float *per_image[2], *per_region[2];

    explicit Workspace(const OpArgs &args) {
        const NormDesc &desc = norm_desc(args);
        per_image[0] = (float *)args.workspace;
        per_image[1] = per_image[0] + desc.num_images * desc.channels();
        per_region[0] = per_image[1] + desc.num_images * desc.channels();
        per_region[1] = per_region[0] + desc.num_regions();
    }
};

template <int K>
Affine<K> affine_of(const OpArgs &args, int64_t image, int64_t first) {
    const Statistics statistics(args);
    return Affine<K>(norm_desc(args), image, first, statistics.mean, statistics.rstd, args.parameters[0],
                     args.parameters[1]);
}

// Forward. Moments of each channel of the image -> workspace.
void compute_image_moments(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    const Workspace workspace(args);
    const int64_t own = task.image * desc.channels();
    image_moments(desc, args.x.at<void>(task), workspace.per_image[0] + own, workspace.per_image[1] + own);
}

void compute_region_statistics(const OpArgs &args, int64_t region) {
    const NormDesc &desc = norm_desc(args);
    const Workspace workspace(args);
    const Statistics statistics(args);
    float *var = workspace.per_region[0];
    region_moments(desc, region, workspace.per_image[0], workspace.per_image[1], statistics.mean, var);
    statistics.rstd[region] = inverse_std(desc, var[region]);
}

void compute_all_statistics(const OpArgs &args) {
    for (int64_t region = 0; region < norm_desc(args).num_regions(); region++) compute_region_statistics(args, region);
}

void normalize(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    for_each_block(desc, [&](auto dtype, auto k, int64_t first) {
        using T = decltype(dtype);
        normalize_image<T, k.value>(desc, affine_of<k.value>(args, task.image, first), args.x.at<T>(task) + first,
                                    Dropout(desc.drop, args.seed, task.image, first), args.y.at<T>(task) + first);
    });
}

// For regions within one image: statistics and y in one pass, without a barrier.
void normalize_alone(const OpArgs &args, const ImageTask &task) {
    const int64_t groups = norm_desc(args).groups;
    compute_image_moments(args, task);
    for (int64_t g = 0; g < groups; g++) compute_region_statistics(args, task.image * groups + g);
    normalize(args, task);
}

// buffers: running mean, running variance [channels] and the number of batches seen; or null. Every region moves them,
// as PyTorch does: s <- (1 - momentum) s + momentum t, with the unbiased variance. A region has one channel.
void update_running_statistics(const OpArgs &args, const Part &part) {
    if (part.index > 0 || !args.buffers[0]) return;
    const NormDesc &desc = norm_desc(args);
    const float *mean = Statistics(args).mean, *var = Workspace(args).per_region[0];
    float *running_mean = (float *)args.buffers[0], *running_var = (float *)args.buffers[1];
    for (int64_t region = 0; region < desc.num_regions(); region++) {
        const int64_t c = region % desc.groups;
        const float count = desc.count(region);
        running_mean[c] += desc.momentum * (mean[region] - running_mean[c]);
        running_var[c] += desc.momentum * (var[region] * count / (count - 1) - running_var[c]);
    }
    *(int64_t *)args.buffers[2] += desc.num_regions() / desc.groups;
}

// Backward. Sums over the image's pixels -> workspace.
void sum_gradients(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    const Workspace workspace(args);
    const int64_t own = task.image * desc.channels();
    for_each_block(desc, [&](auto dtype, auto k, int64_t first) {
        using T = decltype(dtype);
        sum_image_gradients<T, k.value>(desc, affine_of<k.value>(args, task.image, first), args.x.at<T>(task) + first,
                                        args.y.at<T>(task) + first, args.dy.at<T>(task) + first,
                                        workspace.per_image[0] + own + first, workspace.per_image[1] + own + first);
    });
}

void compute_region_means(const OpArgs &args, int64_t region) {
    const Workspace workspace(args);
    region_gradient_means(norm_desc(args), region, workspace.per_image[0], workspace.per_image[1], args.parameters[0],
                          workspace.per_region[0], workspace.per_region[1]);
}

void compute_all_means(const OpArgs &args) {
    for (int64_t region = 0; region < norm_desc(args).num_regions(); region++) compute_region_means(args, region);
}

void differentiate(const OpArgs &args, const ImageTask &task) {
    const NormDesc &desc = norm_desc(args);
    const Workspace workspace(args);
    for_each_block(desc, [&](auto dtype, auto k, int64_t first) {
        using T = decltype(dtype);
        const PerChannel<k.value> means(desc, task.image, first, workspace.per_region[0], workspace.per_region[1]);
        differentiate_image<T, k.value>(desc, affine_of<k.value>(args, task.image, first), means,
                                        args.x.at<T>(task) + first, args.y.at<T>(task) + first,
                                        args.dy.at<T>(task) + first, args.dx.at<T>(task) + first);
    });
}

void differentiate_alone(const OpArgs &args, const ImageTask &task) {
    const int64_t groups = norm_desc(args).groups;
    sum_gradients(args, task);
    for (int64_t g = 0; g < groups; g++) compute_region_means(args, task.image * groups + g);
    differentiate(args, task);
}

// The gradients of weight and bias: the images' shares, summed in the order of the images.
void sum_images(const OpArgs &args, float *dweight, float *dbias) {
    const NormDesc &desc = norm_desc(args);
    const Workspace workspace(args);
    const int64_t channels = desc.channels();
    for (int64_t c = 0; c < channels; c++) dweight[c] = dbias[c] = 0;
    for (int64_t n = 0; n < desc.num_images; n++)
        for (int64_t c = 0; c < channels; c++) {
            dweight[c] += workspace.per_image[1][n * channels + c];
            dbias[c] += workspace.per_image[0][n * channels + c];
        }
}

void sum_parameter_gradients(const OpArgs &args, const Part &part) {
    if (part.index == 0) sum_images(args, args.gradients[0], args.gradients[1]);
}

// Batch renormalization (Ioffe 2017, arXiv:1702.03275): z = gamma (x^ r + d) + beta = weight x^ + bias, with
// weight = gamma r and bias = gamma d + beta. With the running mean m and standard deviation s before this batch,
//     r = std / s clipped to [1 / r_bound, r_bound],  d = (mean - m) / s clipped to [-d_bound, d_bound],
// constants to the gradient. The kernels of batch norm do the rest with the corrected weight and bias.
struct Corrections {
    float *weight, *bias, *r, *d;

    explicit Corrections(const OpArgs &args) {
        const int64_t channels = norm_desc(args).channels();
        weight = Statistics(args).end();
        bias = weight + channels, r = bias + channels, d = r + channels;
    }
};

OpArgs corrected(OpArgs args) {
    const Corrections corrections(args);
    args.parameters[0] = corrections.weight;
    args.parameters[1] = corrections.bias;
    return args;
}

// Rounded to float32. Inlined, the compiler would fuse it with an addition, whose sum has then other bits than the
// layer in PyTorch.
__attribute__((noinline)) float product(float a, float b) { return a * b; }

// (1 - weight) a + weight b, rounded as torch.lerp rounds it.
inline float interpolate(float a, float b, float weight) {
    return weight < 0.5f ? std::fma(weight, b - a, a) : std::fma(weight - 1, b - a, b);
}

inline float clip(float value, float low, float high) {  // NaN stays NaN
    return value < low ? low : value > high ? high : value;
}

float share_of_bound(const RenormDesc &desc, int64_t step, int64_t full) {
    const int64_t steps = full - desc.warmup_steps;
    return clip((float)(step - desc.warmup_steps) / (float)(steps > 1 ? steps : 1), 0, 1);
}

// buffers: running mean and running standard deviation [channels], and the number of batches seen.
void correct_affine(const OpArgs &args) {
    compute_all_statistics(args);
    const RenormDesc &desc = *(const RenormDesc *)args.desc;
    const Corrections to(args);
    const float *mean = Statistics(args).mean, *var = Workspace(args).per_region[0];
    const float *gamma = args.parameters[0], *beta = args.parameters[1];
    const float *running_mean = (const float *)args.buffers[0], *running_std = (const float *)args.buffers[1];
    const int64_t step = *(const int64_t *)args.buffers[2];
    const float r_bound = 1 + product(share_of_bound(desc, step, desc.r_steps), (float)(desc.r_max - 1));
    const float d_bound = share_of_bound(desc, step, desc.d_steps) * (float)desc.d_max;
    for (int64_t c = 0; c < desc.norm.channels(); c++) {
        to.r[c] = clip(std::sqrt(var[c] + desc.norm.eps) / running_std[c], 1 / r_bound, r_bound);
        to.d[c] = clip((mean[c] - running_mean[c]) / running_std[c], -d_bound, d_bound);
        to.weight[c] = gamma[c] * to.r[c];
        to.bias[c] = product(gamma[c], to.d[c]) + beta[c];
    }
}

void renormalize(const OpArgs &args, const ImageTask &task) { normalize(corrected(args), task); }

// m <- (1 - momentum) m + momentum mean, and likewise s with the batch's standard deviation.
void update_running_std(const OpArgs &args, const Part &part) {
    if (part.index > 0) return;
    const NormDesc &desc = norm_desc(args);
    const float *mean = Statistics(args).mean, *var = Workspace(args).per_region[0];
    float *running_mean = (float *)args.buffers[0], *running_std = (float *)args.buffers[1];
    for (int64_t c = 0; c < desc.channels(); c++) {
        running_mean[c] = interpolate(running_mean[c], mean[c], desc.momentum);
        running_std[c] = interpolate(running_std[c], std::sqrt(var[c] + desc.eps), desc.momentum);
    }
    *(int64_t *)args.buffers[2] += 1;
}

void sum_renorm_gradients(const OpArgs &args, const ImageTask &task) { sum_gradients(corrected(args), task); }
void compute_renorm_means(const OpArgs &args) { compute_all_means(corrected(args)); }
void differentiate_renorm(const OpArgs &args, const ImageTask &task) { differentiate(corrected(args), task); }

// dgamma = dweight r + dbias d, dbeta = dbias.
void sum_gamma_beta_gradients(const OpArgs &args, const Part &part) {
    if (part.index > 0) return;
    const Corrections corrections(args);
    float *dgamma = args.gradients[0], *dbeta = args.gradients[1];
    sum_images(args, dgamma, dbeta);
    for (int64_t c = 0; c < norm_desc(args).channels(); c++)
        dgamma[c] = product(dgamma[c], corrections.r[c]) + product(dbeta[c], corrections.d[c]);
}

}  // namespace

extern "C" {

// Regions within one image. With dropout the backward pass reads y.
extern const Kernel norm_forward = {nullptr, normalize_alone, nullptr, nullptr, update_running_statistics};
extern const Kernel norm_backward = {nullptr, differentiate_alone, nullptr, nullptr, sum_parameter_gradients};

// Regions of several images.
extern const Kernel batch_norm_forward = {nullptr, compute_image_moments, compute_all_statistics, normalize,
                                          update_running_statistics};
extern const Kernel batch_norm_backward = {nullptr, sum_gradients, compute_all_means, differentiate,
                                           sum_parameter_gradients};

// One region a channel, of all images.
extern const Kernel renorm_forward = {nullptr, compute_image_moments, correct_affine, renormalize, update_running_std};
extern const Kernel renorm_backward = {nullptr, sum_renorm_gradients, compute_renorm_means, differentiate_renorm,
                                       sum_gamma_beta_gradients};

int64_t sizeof_NormDesc() { return sizeof(NormDesc); }
int64_t sizeof_RenormDesc() { return sizeof(RenormDesc); }
}
