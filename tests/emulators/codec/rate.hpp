// Chooses the quantiser of each picture so that a rate is kept, for an encoder whose own control of
// the rate cannot be changed on the way.
#pragma once

#include "encoder.hpp"

#include <algorithm>
#include <cmath>

namespace codec {

class RateControl {
  public:
    RateControl(double pictures_a_second, double samples) : fps(pictures_a_second), samples(samples)
    {
    }

    void aim_at(const Rate &rate)
    {
        share = (rate.bits_per_second ? rate.bits_per_second : default_rate) / fps;
        debt = std::clamp(debt, -share, share * fps / 4);
    }

    int quantiser(bool intra) const
    {
        double cost = intra ? intra_cost : inter_cost;
        double target = share * (intra ? intra_share : 1) - debt / correction_pictures;
        target = std::max(target, share / 4);
        if (cost == 0) // the first one: as many bits as pictures of this size want
            return limited(first_qp - doubling * std::log2(target / samples / first_density));
        return limited(doubling * std::log2(cost / target));
    }

    void spent(bool intra, int qp, double bits)
    {
        double &cost = intra ? intra_cost : inter_cost;
        double now = bits * std::exp2(qp / doubling);
        cost = cost == 0 ? now : (cost + 3 * now) / 4;
        if (intra && inter_cost == 0)
            inter_cost = now / 2;
        debt = std::clamp(debt + bits - share, -share * fps / 4, share * fps * 2);
    }

  private:
    // Bits halve when the quantiser grows by `doubling`.
    static constexpr double default_rate = 2e6, doubling = 6, first_qp = 34, first_density = 0.1;
    static constexpr double intra_share = 4, correction_pictures = 8;

    static int limited(double qp) { return static_cast<int>(std::clamp(qp + 0.5, 8.0, 51.0)); }

    double fps, samples, share = default_rate, debt = 0, intra_cost = 0, inter_cost = 0;
};

} // namespace codec
