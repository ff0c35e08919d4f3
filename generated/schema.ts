/*
 * Generated; do not edit.
 * Sources: spec/lip-sync.yaml, spec/overlay.yaml
 * Command: npm run generate
 * Tools:   scripts/generate.ts, openapi-typescript
 */

export interface paths {
  "/kling/v1/videos/lip-sync": {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * 对口型
     * @description 1、生成视频
     *     2、此接口要求视频id或视频url
     *     使用视频id，需要在父任务账号上使用，请尽快操作避免资源包过期。
     *     官方文档：https://docs.qingque.cn/d/home/eZQClW07IFEuX1csc-VejdY2M#section=h.o30jngluvb4t
     */
    post: operations["createLipSyncTask"];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/kling/v1/videos/lip-sync/{task_id}": {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * 查询对口型任务
     * @description Returns the task as it is now.
     */
    get: operations["getLipSyncTask"];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
}
export interface components {
  schemas: {
    /** @description The id of a voice - a known one, or any other. */
    VoiceId:
      | (
          | "ai_chenjiahao_712"
          | "ai_huangyaoshi_712"
          | "ai_huangzhong_712"
          | "ai_kaiya"
          | "ai_laoguowang_712"
          | "ai_shatang"
          | "ai_taiwan_man2_speech02"
          | "AOT"
          | "calm_story1"
          | "cartoon-boy-07"
          | "cartoon-girl-01"
          | "chaoshandashu_speech02"
          | "chat1_female_new-3"
          | "chat_0407_5-1"
          | "chengshu_jiejie"
          | "chongqingxiaohuo_speech02"
          | "chuanmeizi_speech02"
          | "commercial_lady_en_f-v1"
          | "daopianyansang-v1"
          | "diyinnansang_DB_CN_M_04-v2"
          | "dongbeilaotie_speech02"
          | "genshin_kirara"
          | "genshin_klee2"
          | "genshin_vindi2"
          | "girlfriend_1_speech02"
          | "girlfriend_2_speech02"
          | "girlfriend_4_speech02"
          | "guanxiaofang-v2"
          | "heainainai_speech02"
          | "laopopo_speech02"
          | "mengwa-v1"
          | "oversea_male1"
          | "PeppaPig_platform"
          | "reader_en_m-v1"
          | "tianjinjiejie_speech02"
          | "tianmeixuemei-v1"
          | "tiexin_nanyou"
          | "tiyuxi_xuedi"
          | "uk_boy1"
          | "uk_man2"
          | "uk_oldman3"
          | "xianzhanggui_speech02"
          | "yizhipiannan-v1"
          | "you_pingjing"
          | "zhinen_xuesheng"
          | "zhuxi_speech02"
        )
      | (string & Record<never, never>);
    /** @description A finished video. The file behind its URL is deleted after 30 days. */
    LipSyncVideo: {
      /** @description The id of the video at Kling. */
      id?: string;
      /** @description Where the video can be downloaded for 30 days. */
      url: string;
      /** @description The same video with a watermark. */
      watermark_url?: string;
      /** @description The length in seconds, as a string such as "5.041". */
      duration?: string;
    };
    /** @description A lip-sync task. */
    LipSyncTask: {
      /** @description The id of the task, for querying it. */
      task_id: string;
      /**
       * @description First submitted, then processing, at the end succeed or failed.
       * @enum {string}
       */
      task_status: "submitted" | "processing" | "succeed" | "failed";
      /** @description Why the task failed. */
      task_status_msg?: string;
      /** @description When the task was created, in Unix milliseconds. */
      created_at?: number;
      /** @description When the task last changed, in Unix milliseconds. */
      updated_at?: number;
      /** @description What the task was made from; may be empty until it is done. */
      task_info?: {
        /** @description The video that the task was given. */
        parent_video?: {
          /** @description The id of the video at Kling. */
          id?: string;
          /** @description Where the video is. */
          url?: string;
          /** @description The length in seconds, as a string such as "5.041". */
          duration?: string;
        };
      };
      /** @description What the task made; may be empty until it is done. */
      task_result?: {
        /** @description The finished videos. */
        videos?: components["schemas"]["LipSyncVideo"][];
      };
      /** @description How many units the task cost. */
      final_unit_deduction?: string;
    };
    /** @description The envelope around a task. */
    LipSyncResponse: {
      /** @description 0 for success, else one of Kling's error codes. */
      code: number;
      /** @description A word about the code. For a failed task, too, it is SUCCEED. */
      message: string;
      /** @description The id of this request, for questions to the gateway. */
      request_id: string;
      data: components["schemas"]["LipSyncTask"];
    };
    /** @description An error, by Kling (code, message, request_id) or by the gateway. */
    ErrorResponse: {
      /** @description One of Kling's error codes, or a word of the gateway. */
      code?: number | string;
      /** @description What went wrong. */
      message?: string;
      /** @description The id of this request, for questions to the gateway. */
      request_id?: string;
      /** @description The same, as gateways in the style of OpenAI return it. */
      error?: {
        /** @description A word or a number. */
        code?: number | string;
        /** @description What went wrong. */
        message?: string;
        /** @description The kind of error. */
        type?: string;
      };
    };
  };
  responses: {
    /** @description The call was refused. */
    Refused: {
      headers: {
        [name: string]: unknown;
      };
      content: {
        "application/json": components["schemas"]["ErrorResponse"];
      };
    };
    /** @description The server failed; whether a task was created is not known. */
    Failed: {
      headers: {
        [name: string]: unknown;
      };
      content: {
        "application/json": components["schemas"]["ErrorResponse"];
      };
    };
  };
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export interface operations {
  createLipSyncTask: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": {
          input: {
            /** @description The id of the task that made the video of video_id. Gateways use it to route the call to the account that owns that task. */
            task_id?: string;
            /** @description The id of a video that Kling made at most 30 days ago. Exactly one of video_id and video_url is given. */
            video_id?: string;
            /**
             * @description What the video says - a text that is spoken, or an audio file.
             * @enum {string}
             */
            mode: "text2video" | "audio2video";
            /** @description The text to speak, at most 120 characters. Required in mode text2video. */
            text?: string;
            /** @description The voice that speaks the text. Required in mode text2video. */
            voice_id?: string & components["schemas"]["VoiceId"];
            /**
             * @description The language of the voice. Required in mode text2video.
             * @enum {string}
             */
            voice_language?: "zh" | "en";
            /** @description The URL of a video: .mp4 or .mov, at most 100 MB, 720p or 1080p, 2 to 60 seconds long (older sources: 2 to 10). Exactly one of video_id and video_url is given. */
            video_url?: string;
            /** @description How fast the voice speaks in mode text2video, 0.8 to 2.0 with one decimal. Kling's default is 1.0. */
            voice_speed?: number;
            /**
             * @description How the audio is given. Required in mode audio2video.
             * @enum {string}
             */
            audio_type?: "file" | "url";
            /** @description The audio in Base64, without a data: prefix; mp3, wav, m4a or aac, at most 5 MB. Required with audio_type file. */
            audio_file?: string;
            /** @description The URL of the audio; mp3, wav, m4a or aac, at most 5 MB. Required with audio_type url. */
            audio_url?: string;
          };
          /** @description An http(s) URL of yours. The bare task is posted to it on every change of status, possibly more than once and without a signature: take it as a hint, then query the task. */
          callback_url?: string;
        };
      };
    };
    responses: {
      /** @description The task was accepted. It takes minutes to finish. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          /**
           * @example {
           *       "code": 0,
           *       "message": "SUCCEED",
           *       "request_id": "CmJ8DGePZioAAAAAAFIvOQ",
           *       "data": {
           *         "task_id": "CmJ8DGePZioAAAAAAFIvOQ",
           *         "task_status": "submitted",
           *         "created_at": 1737628288136,
           *         "updated_at": 1737628288136
           *       }
           *     }
           */
          "application/json": components["schemas"]["LipSyncResponse"];
        };
      };
      "4XX": components["responses"]["Refused"];
      "5XX": components["responses"]["Failed"];
    };
  };
  getLipSyncTask: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        /** @description The id that creating the task returned. */
        task_id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The task. */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          /**
           * @example {
           *       "code": 0,
           *       "message": "SUCCEED",
           *       "request_id": "CmJ8DGePZioAAAAAAFIvOQ",
           *       "data": {
           *         "task_id": "CmJ8DGePZioAAAAAAFIvOQ",
           *         "task_status": "succeed",
           *         "created_at": 1737628288136,
           *         "updated_at": 1737628488136,
           *         "task_result": {
           *           "videos": [
           *             {
           *               "url": "https://media.example/result.mp4",
           *               "duration": "5.041"
           *             }
           *           ]
           *         }
           *       }
           *     }
           */
          "application/json": components["schemas"]["LipSyncResponse"];
        };
      };
      "4XX": components["responses"]["Refused"];
      "5XX": components["responses"]["Failed"];
    };
  };
}
