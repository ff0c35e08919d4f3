/*
 * Generated; do not edit.
 * Sources: spec/voices.yaml
 * Command: npm run generate
 * Tools:   scripts/generate.ts
 */

/**
 * The voices that are known, each with a language that it speaks and its name. The set is open:
 * the server decides whether another id is valid. Source: docs/voices.md.
 */
export const KNOWN_VOICES: readonly {
  readonly voice_id: string;
  readonly voice_language: "zh" | "en";
  readonly name: string;
}[] = [
  { voice_id: "ai_chenjiahao_712", voice_language: "en", name: "Lyric" },
  { voice_id: "ai_chenjiahao_712", voice_language: "zh", name: "文艺小哥" },
  { voice_id: "ai_huangyaoshi_712", voice_language: "en", name: "Rock" },
  { voice_id: "ai_huangyaoshi_712", voice_language: "zh", name: "稳重老爸" },
  { voice_id: "ai_huangzhong_712", voice_language: "en", name: "Beacon" },
  { voice_id: "ai_kaiya", voice_language: "en", name: "Shine" },
  { voice_id: "ai_kaiya", voice_language: "zh", name: "阳光男生" },
  { voice_id: "ai_laoguowang_712", voice_language: "en", name: "Titan" },
  { voice_id: "ai_laoguowang_712", voice_language: "zh", name: "严肃上司" },
  { voice_id: "ai_shatang", voice_language: "en", name: "Blossom" },
  { voice_id: "ai_shatang", voice_language: "zh", name: "青春少女" },
  { voice_id: "ai_taiwan_man2_speech02", voice_language: "zh", name: "台湾男生" },
  { voice_id: "AOT", voice_language: "en", name: "Ace" },
  { voice_id: "calm_story1", voice_language: "en", name: "Lore" },
  { voice_id: "cartoon-boy-07", voice_language: "en", name: "Zippy" },
  { voice_id: "cartoon-boy-07", voice_language: "zh", name: "活泼男童" },
  { voice_id: "cartoon-girl-01", voice_language: "en", name: "Sprite" },
  { voice_id: "cartoon-girl-01", voice_language: "zh", name: "俏皮女童" },
  { voice_id: "chaoshandashu_speech02", voice_language: "zh", name: "潮汕大叔" },
  { voice_id: "chat1_female_new-3", voice_language: "en", name: "Tender" },
  { voice_id: "chat1_female_new-3", voice_language: "zh", name: "温柔姐姐" },
  { voice_id: "chat_0407_5-1", voice_language: "en", name: "Siren" },
  { voice_id: "chengshu_jiejie", voice_language: "en", name: "Grace" },
  { voice_id: "chengshu_jiejie", voice_language: "zh", name: "优雅贵妇" },
  { voice_id: "chongqingxiaohuo_speech02", voice_language: "zh", name: "重庆小伙" },
  { voice_id: "chuanmeizi_speech02", voice_language: "zh", name: "四川妹子" },
  { voice_id: "commercial_lady_en_f-v1", voice_language: "en", name: "Commercial Lady" },
  { voice_id: "daopianyansang-v1", voice_language: "zh", name: "刀片烟嗓" },
  { voice_id: "diyinnansang_DB_CN_M_04-v2", voice_language: "zh", name: "新闻播报男" },
  { voice_id: "dongbeilaotie_speech02", voice_language: "zh", name: "东北老铁" },
  { voice_id: "genshin_kirara", voice_language: "en", name: "Dove" },
  { voice_id: "genshin_kirara", voice_language: "zh", name: "元气少女" },
  { voice_id: "genshin_klee2", voice_language: "en", name: "Peppy" },
  { voice_id: "genshin_klee2", voice_language: "zh", name: "温柔小妹" },
  { voice_id: "genshin_vindi2", voice_language: "en", name: "Sunny" },
  { voice_id: "genshin_vindi2", voice_language: "zh", name: "阳光少年" },
  { voice_id: "girlfriend_1_speech02", voice_language: "zh", name: "甜美邻家" },
  { voice_id: "girlfriend_2_speech02", voice_language: "zh", name: "职场女青" },
  { voice_id: "girlfriend_4_speech02", voice_language: "en", name: "Melody" },
  { voice_id: "guanxiaofang-v2", voice_language: "zh", name: "元气少女" },
  { voice_id: "heainainai_speech02", voice_language: "en", name: "Hearth" },
  { voice_id: "heainainai_speech02", voice_language: "zh", name: "和蔼奶奶" },
  { voice_id: "laopopo_speech02", voice_language: "en", name: "Prattle" },
  { voice_id: "laopopo_speech02", voice_language: "zh", name: "唠叨奶奶" },
  { voice_id: "mengwa-v1", voice_language: "zh", name: "乖巧正太" },
  { voice_id: "oversea_male1", voice_language: "en", name: "Anchor" },
  { voice_id: "PeppaPig_platform", voice_language: "en", name: "Candy" },
  { voice_id: "reader_en_m-v1", voice_language: "en", name: "The Reader" },
  { voice_id: "tianjinjiejie_speech02", voice_language: "zh", name: "天津姐姐" },
  { voice_id: "tianmeixuemei-v1", voice_language: "zh", name: "撒娇女友" },
  { voice_id: "tiexin_nanyou", voice_language: "zh", name: "幽默小哥" },
  { voice_id: "tiyuxi_xuedi", voice_language: "zh", name: "运动少年" },
  { voice_id: "uk_boy1", voice_language: "en", name: "Bud" },
  { voice_id: "uk_man2", voice_language: "en", name: "Crag" },
  { voice_id: "uk_oldman3", voice_language: "zh", name: "唠叨爷爷" },
  { voice_id: "xianzhanggui_speech02", voice_language: "zh", name: "西安掌柜" },
  { voice_id: "yizhipiannan-v1", voice_language: "zh", name: "译制片男" },
  { voice_id: "you_pingjing", voice_language: "en", name: "Helen" },
  { voice_id: "you_pingjing", voice_language: "zh", name: "温柔妈妈" },
  { voice_id: "zhinen_xuesheng", voice_language: "en", name: "Sage" },
  { voice_id: "zhinen_xuesheng", voice_language: "zh", name: "懂事小弟" },
  { voice_id: "zhuxi_speech02", voice_language: "zh", name: "慈祥爷爷" },
];
