// complex.cuh: takes the place of CuPy's header of this name, which needs Thrust. The arithmetic is spelled out, the
// functions are the standard library's.
#pragma once
#include <complex>
#include <type_traits>

#include "../cuda_on_host.hpp"

namespace thrust {

template <class T>
struct __align__(2 * sizeof(T)) complex {
  typedef T value_type;

  complex() = default;
  complex(const T& re, const T& im = T()) : re_(re), im_(im) {}
  template <class U>
  complex(const complex<U>& other) : re_((T)other.real()), im_((T)other.imag()) {}
  template <class U, class = typename std::enable_if<std::is_convertible<U, T>::value && !std::is_same<U, T>::value>::type>
  complex(const U& re) : re_((T)re), im_() {}
  complex(const std::complex<T>& other) : re_(other.real()), im_(other.imag()) {}
  operator std::complex<T>() const { return {re_, im_}; }

  T real() const { return re_; }
  T imag() const { return im_; }
  void real(T value) { re_ = value; }
  void imag(T value) { im_ = value; }

  template <class U>
  complex& operator+=(const U& other) {
    return *this = *this + complex(other);
  }
  template <class U>
  complex& operator-=(const U& other) {
    return *this = *this - complex(other);
  }
  template <class U>
  complex& operator*=(const U& other) {
    return *this = *this * complex(other);
  }
  template <class U>
  complex& operator/=(const U& other) {
    return *this = *this / complex(other);
  }

  friend complex operator+(const complex& a) { return a; }
  friend complex operator-(const complex& a) { return {-a.re_, -a.im_}; }
  friend complex operator+(const complex& a, const complex& b) { return {a.re_ + b.re_, a.im_ + b.im_}; }
  friend complex operator-(const complex& a, const complex& b) { return {a.re_ - b.re_, a.im_ - b.im_}; }
  friend complex operator*(const complex& a, const complex& b) {
    return {a.re_ * b.re_ - a.im_ * b.im_, a.re_ * b.im_ + a.im_ * b.re_};
  }
  friend complex operator/(const complex& a, const complex& b) { return std::complex<T>(a) / std::complex<T>(b); }

  friend bool operator==(const complex& a, const complex& b) { return a.re_ == b.re_ && a.im_ == b.im_; }
  friend bool operator!=(const complex& a, const complex& b) { return !(a == b); }
  // In the order of NumPy: by the real part, then by the imaginary one.
  friend bool operator<(const complex& a, const complex& b) {
    return a.re_ < b.re_ || (a.re_ == b.re_ && a.im_ < b.im_);
  }
  friend bool operator>(const complex& a, const complex& b) { return b < a; }
  friend bool operator<=(const complex& a, const complex& b) { return a == b || a < b; }
  friend bool operator>=(const complex& a, const complex& b) { return b <= a; }

  friend T real(const complex& a) { return a.re_; }
  friend T imag(const complex& a) { return a.im_; }
  friend complex conj(const complex& a) { return {a.re_, -a.im_}; }
  friend T norm(const complex& a) { return a.re_ * a.re_ + a.im_ * a.im_; }
  friend T abs(const complex& a) { return std::abs(std::complex<T>(a)); }
  friend T arg(const complex& a) { return std::arg(std::complex<T>(a)); }
  friend complex proj(const complex& a) { return std::proj(std::complex<T>(a)); }
  friend bool isnan(const complex& a) { return ::isnan(a.re_) || ::isnan(a.im_); }
  friend bool isinf(const complex& a) { return ::isinf(a.re_) || ::isinf(a.im_); }
  friend bool isfinite(const complex& a) { return ::isfinite(a.re_) && ::isfinite(a.im_); }
  friend complex pow(const complex& a, const complex& b) { return std::pow(std::complex<T>(a), std::complex<T>(b)); }

#define SIM_COMPLEX_FUNCTION(name) \
  friend complex name(const complex& a) { return std::name(std::complex<T>(a)); }
  SIM_COMPLEX_FUNCTION(exp)
  SIM_COMPLEX_FUNCTION(log)
  SIM_COMPLEX_FUNCTION(log10)
  SIM_COMPLEX_FUNCTION(sqrt)
  SIM_COMPLEX_FUNCTION(sin)
  SIM_COMPLEX_FUNCTION(cos)
  SIM_COMPLEX_FUNCTION(tan)
  SIM_COMPLEX_FUNCTION(sinh)
  SIM_COMPLEX_FUNCTION(cosh)
  SIM_COMPLEX_FUNCTION(tanh)
  SIM_COMPLEX_FUNCTION(asin)
  SIM_COMPLEX_FUNCTION(acos)
  SIM_COMPLEX_FUNCTION(atan)
  SIM_COMPLEX_FUNCTION(asinh)
  SIM_COMPLEX_FUNCTION(acosh)
  SIM_COMPLEX_FUNCTION(atanh)
#undef SIM_COMPLEX_FUNCTION

 private:
  T re_, im_;
};

template <class T>
complex<T> polar(const T& magnitude, const T& angle = T()) {
  return std::polar(magnitude, angle);
}

}  // namespace thrust

using thrust::complex;
