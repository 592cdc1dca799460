/* Gives the vector operations and the row functions of rows_vector.h the name of a level.
 *
 * Set VIDEOHW_LEVEL before including this; there is no guard, since each level includes it.
 */
#define VIDEOHW_JOIN_(name, level) name##_##level
#define VIDEOHW_JOIN(name, level) VIDEOHW_JOIN_(name, level)
#define VIDEOHW_NAME(name) VIDEOHW_JOIN(name, VIDEOHW_LEVEL)

#undef v16
#undef v8
#undef vf
#undef v16_load
#undef v16_store
#undef v16_widen
#undef v16_set
#undef v16_multiply
#undef v16_add
#undef v16_add_saturated
#undef v16_product
#undef v16_xor
#undef v16_right
#undef v16_left
#undef v16_code
#undef v16_firsts
#undef v16_seconds
#undef v16_load2
#undef v16_store2
#undef v8_load
#undef v8_store
#undef v8_set
#undef v8_pack
#undef v8_load2
#undef v8_load3
#undef v8_load4
#undef v8_store2
#undef v8_store3
#undef v8_store4
#undef vf_set
#undef vf_load
#undef vf_store
#undef vf_add
#undef vf_multiply
#undef vf_limit
#undef vf_low
#undef vf_high
#undef vf_low_unsigned
#undef vf_high_unsigned
#undef vf_codes
#undef vf_store_half
#undef vf_combine
#undef V16_LANES
#undef VF_LANES
#define v16 VIDEOHW_NAME(v16)
#define v8 VIDEOHW_NAME(v8)
#define vf VIDEOHW_NAME(vf)
#define v16_load VIDEOHW_NAME(v16_load)
#define v16_store VIDEOHW_NAME(v16_store)
#define v16_widen VIDEOHW_NAME(v16_widen)
#define v16_set VIDEOHW_NAME(v16_set)
#define v16_multiply VIDEOHW_NAME(v16_multiply)
#define v16_add VIDEOHW_NAME(v16_add)
#define v16_add_saturated VIDEOHW_NAME(v16_add_saturated)
#define v16_product VIDEOHW_NAME(v16_product)
#define v16_xor VIDEOHW_NAME(v16_xor)
#define v16_right VIDEOHW_NAME(v16_right)
#define v16_left VIDEOHW_NAME(v16_left)
#define v16_code VIDEOHW_NAME(v16_code)
#define v16_firsts VIDEOHW_NAME(v16_firsts)
#define v16_seconds VIDEOHW_NAME(v16_seconds)
#define v16_load2 VIDEOHW_NAME(v16_load2)
#define v16_store2 VIDEOHW_NAME(v16_store2)
#define v8_load VIDEOHW_NAME(v8_load)
#define v8_store VIDEOHW_NAME(v8_store)
#define v8_set VIDEOHW_NAME(v8_set)
#define v8_pack VIDEOHW_NAME(v8_pack)
#define v8_load2 VIDEOHW_NAME(v8_load2)
#define v8_load3 VIDEOHW_NAME(v8_load3)
#define v8_load4 VIDEOHW_NAME(v8_load4)
#define v8_store2 VIDEOHW_NAME(v8_store2)
#define v8_store3 VIDEOHW_NAME(v8_store3)
#define v8_store4 VIDEOHW_NAME(v8_store4)
#define vf_set VIDEOHW_NAME(vf_set)
#define vf_load VIDEOHW_NAME(vf_load)
#define vf_store VIDEOHW_NAME(vf_store)
#define vf_add VIDEOHW_NAME(vf_add)
#define vf_multiply VIDEOHW_NAME(vf_multiply)
#define vf_limit VIDEOHW_NAME(vf_limit)
#define vf_low VIDEOHW_NAME(vf_low)
#define vf_high VIDEOHW_NAME(vf_high)
#define vf_low_unsigned VIDEOHW_NAME(vf_low_unsigned)
#define vf_high_unsigned VIDEOHW_NAME(vf_high_unsigned)
#define vf_codes VIDEOHW_NAME(vf_codes)
#define vf_store_half VIDEOHW_NAME(vf_store_half)
#define vf_combine VIDEOHW_NAME(vf_combine)
