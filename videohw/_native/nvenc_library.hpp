// The driver's encoder library in this process: loaded on first use, and which version it speaks.
//
// One object of this for the whole process, made by _nvenc.pyx. No exception leaves anything here,
// and nothing needs the GIL.
#ifndef VIDEOHW_NVENC_LIBRARY_HPP
#define VIDEOHW_NVENC_LIBRARY_HPP

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "dynlib.h"
#include "nvenc_fields.hpp"

namespace videohw {

class NvencLibrary {
public:
    NvencLibrary() = default;
    NvencLibrary(const NvencLibrary &) = delete;
    NvencLibrary &operator=(const NvencLibrary &) = delete;

    // Open the library that the environment names, else the driver's. False, and `why` says why
    // not. One that could not be loaded is tried again when another is named.
    bool load()
    {
        std::lock_guard<std::mutex> held(loading_);
        const char *name = std::getenv("VIDEOHW_LIBNVIDIA_ENCODE");
        if (!name || !*name)
            name = NVENC_LIBRARY;
        if (library_ || std::strcmp(name, tried_) == 0)
            return library_ != nullptr;
        std::snprintf(tried_, sizeof tried_, "%s", name);
        void *library = dynlib_open(name, why_, sizeof why_);
        if (!library)
            return false;
        create_ = dynlib_symbol(library, "NvEncodeAPICreateInstance");
        get_version_ = reinterpret_cast<NvEncodeAPIGetMaxSupportedVersion>(
            dynlib_symbol(library, "NvEncodeAPIGetMaxSupportedVersion"));
        if (!create_ || !get_version_) {
            std::snprintf(why_, sizeof why_, "%s has no %s", name,
                          create_ ? "NvEncodeAPIGetMaxSupportedVersion"
                                  : "NvEncodeAPICreateInstance");
            dynlib_close(library);
            return false;
        }
        library_ = library;
        return true;
    }
    const char *why() const { return why_; }

    // The newest version that the driver speaks, as major * 100 + minor; 0 with a code.
    unsigned max_version(nvenc::NVENCSTATUS *code)
    {
        uint32_t version = 0;
        *code = get_version_(&version);
        return *code == nvenc::NV_ENC_SUCCESS ? (version >> 4) * 100 + (version & 15) : 0;
    }
    // The newest of the versions that we speak, of those up to `most`; 0 when there is none.
    static unsigned spoken(unsigned most) { return most >= 1300 ? 1300 : most >= 1201 ? 1201 : 0; }

    // The calls of one version.
    nvenc::NVENCSTATUS list(const nvenc_12_1::NV_ENCODE_API_FUNCTION_LIST **list)
    {
        return filled<nvenc_12_1::NvEncodeAPICreateInstance>(list_12_1_, list);
    }
    nvenc::NVENCSTATUS list(const nvenc_13_0::NV_ENCODE_API_FUNCTION_LIST **list)
    {
        return filled<nvenc_13_0::NvEncodeAPICreateInstance>(list_13_0_, list);
    }

private:
    template <class List> struct Filled {
        List list;
        bool is = false;
    };
    template <class Create, class List>
    nvenc::NVENCSTATUS filled(Filled<List> &kept, const List **list)
    {
        List made;
        {
            std::lock_guard<std::mutex> held(filling_);
            *list = &kept.list;
            if (kept.is)
                return nvenc::NV_ENC_SUCCESS;
        }
        std::memset(&made, 0, sizeof made);
        made.version = version_of(made);
        nvenc::NVENCSTATUS code = reinterpret_cast<Create>(create_)(&made);
        std::lock_guard<std::mutex> held(filling_);
        if (code == nvenc::NV_ENC_SUCCESS && !kept.is) {
            kept.list = made;
            kept.is = true;
        }
        return code;
    }

    std::mutex loading_;
    std::mutex filling_; // not held while the driver fills a list: that may take long
    void *library_ = nullptr;
    void *create_ = nullptr;
    NvEncodeAPIGetMaxSupportedVersion get_version_ = nullptr;
    char why_[1024] = "";
    char tried_[512] = "";
    Filled<nvenc_12_1::NV_ENCODE_API_FUNCTION_LIST> list_12_1_{};
    Filled<nvenc_13_0::NV_ENCODE_API_FUNCTION_LIST> list_13_0_{};
};

} // namespace videohw

#endif
